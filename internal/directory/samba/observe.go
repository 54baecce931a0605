package samba

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

const (
	// observeEach is how often Samba's audit log is looked at.
	observeEach = 250 * time.Millisecond
	// maxAuditLine is the longest line that is read; Samba shortens the values in it.
	maxAuditLine = 1 << 20
	// systemSID is who acts on the privileged socket (MS-DTYP section 2.4.2.4): the service, and Samba itself.
	systemSID = "S-1-5-18"
)

// audited are the classes of Samba's audit log that are read, and the levels at which they tell of successes, too.
var audited = map[string]int{"auth_json_audit": 3, "dsdb_json_audit": 5, "dsdb_password_json_audit": 5}

// auditRecord is a line of Samba's audit log, in version 1 of its JSON (smb.conf(5), "log level", the classes auth_json_audit,
// dsdb_json_audit and dsdb_password_json_audit). Of what it has not, nothing is told.
type auditRecord struct {
	Timestamp      string
	Authentication *struct {
		EventID                                     int
		Status                                      string
		ClientAccount, MappedAccount, BecameAccount string
	}
	PasswordChange *struct {
		auditWrite
		EventID int
	}
	DSDBChange *struct {
		auditWrite
		Operation         string
		PerformedAsSystem bool
		Attributes        map[string]json.RawMessage
	}
}

type auditWrite struct {
	StatusCode  int
	UserSID, DN string
}

// loginCodes are AD's data codes for the statuses of refused logins (MS-ERREF section 2.3.1).
var loginCodes = map[string]string{
	"NT_STATUS_NO_SUCH_USER": "525", "NT_STATUS_WRONG_PASSWORD": "52e", "NT_STATUS_LOGON_FAILURE": "52e", "NT_STATUS_INVALID_LOGON_HOURS": "530",
	"NT_STATUS_INVALID_WORKSTATION": "531", "NT_STATUS_PASSWORD_EXPIRED": "532", "NT_STATUS_ACCOUNT_DISABLED": "533", "NT_STATUS_ACCOUNT_EXPIRED": "701",
	"NT_STATUS_PASSWORD_MUST_CHANGE": "773", "NT_STATUS_ACCOUNT_LOCKED_OUT": "775",
}

// observe tells of what happens at a domain controller, until ctx ends. What is in the log already is not told again.
func (f folder) observe(ctx context.Context, d directory.Domain, observer func(id string) func(directory.SecurityEvent)) {
	tail := auditTail{path: f.audit()}
	defer tail.close()
	tail.skip()
	tick := time.NewTicker(observeEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		lines := tail.lines()
		tell := observer(d.ID)
		if tell == nil || len(lines) == 0 {
			continue
		}
		conn, err := f.dial(ctx)
		if err == nil {
			conn.SetTimeout(probeLimit)
		}
		for _, line := range lines {
			if event, ok := auditEvent(line); ok {
				event.Directory, event.Domain = d.ID, d.Name
				if conn != nil {
					nameAccounts(conn, d, &event)
				}
				tell(event)
			}
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// auditEvent is the event of a line; ok is false where there is none. By is a SID.
func auditEvent(line []byte) (event directory.SecurityEvent, ok bool) {
	begin := bytes.IndexByte(line, '{')
	var record auditRecord
	if begin < 0 || json.Unmarshal(line[begin:], &record) != nil {
		return event, false // the head of a line, or of another kind
	}
	at, err := time.Parse("2006-01-02T15:04:05.999999-0700", record.Timestamp)
	if err != nil {
		return event, false
	}
	event.Time = at.UTC()
	var kind directory.EventKind
	switch {
	case record.Authentication != nil:
		a := record.Authentication
		for _, name := range []string{a.BecameAccount, a.MappedAccount, a.ClientAccount} {
			if event.Account == "" {
				event.Account = name
			}
		}
		if kind = directory.EventLogon; a.EventID != kind.ID {
			kind = directory.EventLogonRefused
			if event.Code = loginCodes[a.Status]; event.Code == "" {
				event.Code = a.Status
			}
		}
	case record.PasswordChange != nil && record.PasswordChange.StatusCode == 0:
		if kind = directory.EventPasswordReset; record.PasswordChange.EventID != kind.ID {
			kind = directory.EventPasswordChange
		}
		event.Target, event.By = record.PasswordChange.DN, record.PasswordChange.UserSID
	case record.DSDBChange != nil && record.DSDBChange.StatusCode == 0:
		c := record.DSDBChange
		event.Target, event.By = c.DN, c.UserSID
		switch c.Operation {
		case "Add":
			kind = directory.EventCreated
		case "Delete":
			kind = directory.EventDeleted
		case "Modify":
			kind = modification(c.Attributes, c.UserSID == systemSID && !c.PerformedAsSystem)
		}
	}
	event.EventID, event.Name = kind.ID, kind.Name
	return event, kind.ID != 0
}

// modification is what a change of these attributes means; own says that Samba made it by itself, as at a login.
func modification(attributes map[string]json.RawMessage, own bool) directory.EventKind {
	for name := range attributes {
		switch {
		case own || slices.Contains([]string{"unicodePwd", "clearTextPassword"}, name): // of this another line tells
		case name == "member":
			return directory.EventMembers
		default:
			return directory.EventChanged
		}
	}
	return directory.EventKind{}
}

// nameAccounts gives the event's accounts their names, as far as they are there.
func nameAccounts(conn *ldap.Conn, d directory.Domain, event *directory.SecurityEvent) {
	name := func(dn string) string {
		found, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"sAMAccountName"}, nil))
		if err != nil || len(found.Entries) != 1 {
			return ""
		}
		return found.Entries[0].GetAttributeValue("sAMAccountName")
	}
	if event.Target != "" {
		event.Account = name(event.Target)
	}
	switch by := event.By; {
	case by == systemSID:
		event.By = ""
	case by != "":
		event.By = "u:" + by
		if account := name("<SID=" + by + ">"); account != "" {
			event.By = `u:` + d.NetBIOS + `\` + account
		}
	}
}

// auditTail reads what is added to a log that is renamed when it is large.
type auditTail struct {
	path string
	file *os.File
	rest []byte // of a line that is not whole yet
}

func (t *auditTail) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}

// skip goes to the end of what is there.
func (t *auditTail) skip() {
	if t.open() {
		_, _ = t.file.Seek(0, io.SeekEnd)
	}
}

func (t *auditTail) open() bool {
	if t.file == nil {
		t.file, _ = os.Open(t.path)
	}
	return t.file != nil
}

// lines is the whole lines that are new.
func (t *auditTail) lines() (all [][]byte) {
	for t.open() {
		text, err := io.ReadAll(t.file)
		t.rest = append(t.rest, text...)
		for {
			line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
			if !whole {
				break
			}
			all, t.rest = append(all, line), rest
		}
		if len(t.rest) > maxAuditLine {
			t.rest = nil
		}
		now, statErr := os.Stat(t.path)
		own, ownErr := t.file.Stat()
		if err != nil || statErr != nil || ownErr != nil || os.SameFile(now, own) {
			break
		}
		t.close() // it was renamed; the next one begins anew
		t.rest = nil
	}
	return all
}
