package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"latchkey/internal/audit"
)

type auditCommand struct {
	List   auditListCommand   `cmd:"" help:"List the records of the audit trail, oldest first."`
	Verify auditVerifyCommand `cmd:"" help:"Prove that no record was changed, removed, added or cut off."`
}

type auditVerifyCommand struct {
	Data      string `name:"data" env:"LATCHKEY_DATA" default:"./latchkey-data" help:"The server's data directory; it may be running."`
	PublicKey string `name:"public-key" placeholder:"FILE" help:"The key that verifies the digest (PEM), kept where nobody who can write to the data directory can; DIR/audit.pub otherwise."`
}

// Help is what `latchkey audit verify --help` says beyond the flags.
func (*auditVerifyCommand) Help() string {
	return `Each record holds a digest of itself and of all before it, and audit.digest, signed, where the chain stands. A server signs within a second of a record, and when it stops.

Copy DIR/audit.pub away when the server is new: whoever can replace the records could replace that file, too.`
}

// Run tells every finding; its error says that there are some.
func (c *auditVerifyCommand) Run(s streams) error {
	path := c.PublicKey
	if path == "" {
		path = filepath.Join(c.Data, audit.PublicFile)
	}
	key, err := audit.ReadPublic(path)
	if err != nil {
		return err
	}
	report, err := audit.Verify(c.Data, key)
	if err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		var errs []error
		for _, finding := range report.Findings {
			errs = append(errs, errors.New(finding.String()))
		}
		return errors.Join(errs...)
	}
	text := fmt.Sprintf("%s in %s %s written; signed %s", counted(report.Records, "record", "records"), counted(report.Files, "file", "files"),
		form(report.Records, "is as it was", "are as they were"), report.Signed.Format(time.RFC3339))
	if report.Unsigned > 0 {
		text += "; " + counted(report.Unsigned, "newer one is", "newer ones are") + " in the chain and not signed yet"
	}
	if report.Unchained > 0 {
		text += fmt.Sprintf("; the first %d bytes are from before the chain", report.Unchained)
	}
	_, err = fmt.Fprintln(s.out, text)
	return err
}

type auditListCommand struct {
	Data      string        `name:"data" env:"LATCHKEY_DATA" default:"./latchkey-data" help:"The server's data directory; it may be running."`
	User      string        `name:"user" placeholder:"NAME" help:"Only calls about this user, or by an access key, a role or a session of this name."`
	Directory string        `name:"directory" placeholder:"ID" help:"Only calls about this directory."`
	Event     string        `name:"event" placeholder:"NAME" help:"Only calls of this operation, such as ResetUserPassword."`
	Since     time.Duration `name:"since" placeholder:"TIME" help:"Only the last so long, such as 90m or 24h."`
	Failed    bool          `name:"failed" help:"Only calls that were refused or failed."`
	Output    string        `name:"output" enum:"table,json" default:"table" help:"table, or json: the records as they are, a line each."`
}

// about is the parameters of a request that name what it is about.
type about struct {
	DirectoryID string `json:"directoryId"`
	UserName    string `json:"userName"`
	Account     string `json:"sAMAccountName"`
	Member      string `json:"memberName"`
}

func (c *auditListCommand) wants(e *audit.Event, a about, now time.Time) bool {
	same := func(wanted string, found ...string) bool {
		for _, each := range found {
			if strings.EqualFold(each, wanted) {
				return true
			}
		}
		return wanted == ""
	}
	role, session := e.UserIdentity.Session()
	return (c.Since == 0 || now.Sub(e.EventTime) <= c.Since) && (!c.Failed || e.ErrorCode != "") &&
		same(c.User, a.UserName, a.Account, a.Member, e.UserIdentity.UserName, role, session, role+"/"+session) && same(c.Directory, a.DirectoryID) && same(c.Event, e.EventName)
}

// Run reads all files of the trail.
func (c *auditListCommand) Run(s streams) error {
	now := time.Now()
	rows := newTable(s.out, "TIME", "EVENT", "BY", "FROM", "DIRECTORY", "USER", "OUTCOME")
	err := audit.Read(c.Data, func(e *audit.Event, line []byte) error {
		var a about
		// The parameters of a call that was refused may be missing.
		_ = json.Unmarshal(e.RequestParameters, &a)
		if !c.wants(e, a, now) {
			return nil
		}
		if c.Output == "json" {
			_, err := fmt.Fprintf(s.out, "%s\n", line)
			return err
		}
		by := e.UserIdentity.UserName
		if role, session := e.UserIdentity.Session(); role != "" {
			by = role + "/" + session
		} else if by == "" {
			by = strings.ToLower(e.UserIdentity.Type)
		}
		outcome := "ok"
		if e.ErrorCode != "" {
			outcome = e.ErrorCode
		}
		user := a.UserName
		for _, other := range []string{a.Account, a.Member} {
			if user == "" {
				user = other
			}
		}
		return rows.row(e.EventTime.UTC().Format(time.RFC3339), e.EventName, by, e.SourceIPAddress, a.DirectoryID, user, outcome)
	})
	if c.Output == "json" || err != nil {
		return err
	}
	return rows.flush()
}
