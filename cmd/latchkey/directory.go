package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"

	"latchkey/internal/admin"
	"latchkey/internal/ds"
	"latchkey/internal/wire"
)

type directoryCommand struct {
	Attach     attachCommand     `cmd:"" help:"Attach an Active Directory domain that somebody else runs."`
	Check      checkCommand      `cmd:"" help:"Check a directory, and tell what to do about what is wrong."`
	Delegation delegationCommand `cmd:"" help:"Print the commands that give a service account the rights it needs, and no more."`
	List       listCommand       `cmd:"" help:"List the directories of the Region."`
	DataAccess dataAccessCommand `cmd:"" name:"data-access" help:"Tell whether a directory's users and groups can be managed, or turn that on or off."`
	Detach     detachCommand     `cmd:"" help:"Detach an attached domain; nothing in the domain is touched."`
	RollKrbtgt rollKrbtgtCommand `cmd:"" name:"roll-krbtgt" help:"Give a directory a new key for Kerberos tickets."`
}

type attachCommand struct {
	client

	Type             string   `name:"type" enum:"MicrosoftAD,SimpleAD" required:"" group:"Domain" help:"What AWS is to call it: MicrosoftAD or SimpleAD."`
	Name             string   `name:"name" required:"" placeholder:"DNS-NAME" group:"Domain" help:"DNS name of the domain, such as corp.example.com."`
	ShortName        string   `name:"short-name" placeholder:"NETBIOS-NAME" group:"Domain" help:"NetBIOS name of the domain; without it, the first label of the DNS name."`
	Description      string   `name:"description" group:"Domain" help:"What AWS's clients show with it."`
	ID               string   `name:"id" placeholder:"d-…" group:"Domain" help:"A directory that is attached already, to replace its settings."`
	URL              []string `name:"url" sep:"none" placeholder:"ldaps://HOST" group:"Domain controllers" help:"A domain controller; repeatable."`
	Discover         bool     `name:"discover" group:"Domain controllers" help:"Find domain controllers by the domain's SRV records."`
	Resolver         string   `name:"resolver" placeholder:"HOST:PORT" group:"Domain controllers" help:"DNS server to ask for them; the system's otherwise."`
	PreferPDC        bool     `name:"prefer-pdc" group:"Domain controllers" help:"Find the PDC emulator by its SRV record, and write passwords there while it can be reached."`
	CAFile           string   `name:"ca-file" placeholder:"FILE" group:"Domain controllers" help:"CA certificates (PEM) that the domain controllers' are signed by; the system's otherwise. A name on the server."`
	BindDN           string   `name:"bind-dn" required:"" placeholder:"DN" group:"Service account" help:"The service account: its DN, NAME@DOMAIN or DOMAIN\\NAME."`
	BindPasswordFile string   `name:"bind-password-file" required:"" placeholder:"FILE" group:"Service account" help:"File with its password, which may change at any time. A name on the server."`
	ResetBase        []string `name:"reset-base" sep:"none" placeholder:"OU=…" group:"Resets" help:"DN below which users may be reset; repeatable. Without any, all that AWS's rules leave."`
	LeaveOut         []string `name:"leave-out" enum:"userAccountControl,lockoutTime,pwdLastSet" placeholder:"ATTRIBUTE" group:"Resets" help:"Attribute that the service account may not write and that resets leave as it is: userAccountControl, lockoutTime or pwdLastSet; repeatable."`
	RespectHistory   bool     `name:"respect-history" group:"Resets" help:"Refuse a password that the user had before."`
	MustChange       bool     `name:"must-change" group:"Resets" help:"Let users choose another password at the next logon."`
	ReadBack         bool     `name:"read-back" group:"Resets" help:"Log in with the new password before a reset is acknowledged."`
}

// Help is what `latchkey directory attach --help` says beyond the flags.
func (*attachCommand) Help() string {
	return `The server checks everything first: that the domain controllers can be reached, their certificates, the service account and its rights. It attaches nothing while a check fails, and says what to do.

File names are names on the server. A password is only ever read from a file.

Example:

  latchkey directory attach --type MicrosoftAD --name corp.example.com --short-name CORP \
    --url ldaps://dc1.corp.example.com --url ldaps://dc2.corp.example.com --ca-file /etc/latchkey/corp-ca.pem \
    --bind-dn 'CN=svc-latchkey,OU=Service,DC=corp,DC=example,DC=com' --bind-password-file /etc/latchkey/corp.password \
    --reset-base 'OU=Staff,DC=corp,DC=example,DC=com'`
}

// Validate tells what the flags lack as a whole.
func (c *attachCommand) Validate() error {
	if len(c.URL) == 0 && !c.Discover && !c.PreferPDC {
		return errors.New("--url, --discover or --prefer-pdc has to say where the domain controllers are")
	}
	for flag, name := range map[string]string{"--bind-password-file": c.BindPasswordFile, "--ca-file": c.CAFile} {
		if name != "" && !path.IsAbs(name) {
			return fmt.Errorf("%s: %q is not an absolute path, and the server has another working directory", flag, name)
		}
	}
	return nil
}

// Run attaches the domain.
func (c *attachCommand) Run(s streams) error {
	in := &admin.AttachDirectoryRequest{
		DirectoryId: optional(c.ID), Type: &c.Type, Name: &c.Name, ShortName: optional(c.ShortName), Description: optional(c.Description),
		Urls: c.URL, Discover: &c.Discover, Resolver: optional(c.Resolver), PreferPdc: &c.PreferPDC, CaFile: optional(c.CAFile),
		BindDn: &c.BindDN, BindPasswordFile: &c.BindPasswordFile,
		ResetBases: c.ResetBase, LeaveOut: c.LeaveOut, RespectHistory: &c.RespectHistory, MustChange: &c.MustChange, ReadBack: &c.ReadBack,
	}
	var out admin.AttachDirectoryResult
	stop := progress(s.err, "checking "+c.Name)
	answer, err := c.call(context.Background(), wire.Latchkey, "AttachDirectory", in, &out)
	stop()
	switch {
	case err != nil:
		return err
	case c.Output == "json":
		return writeJSON(s.out, answer)
	}
	writeFindings(s.out, out.Findings)
	_, err = fmt.Fprintf(s.out, "%s is attached as %s\n", c.Name, text(out.DirectoryId))
	return err
}

type checkCommand struct {
	ID string `arg:"" help:"The directory, d-…"`
	client
}

// Help is what `latchkey directory check --help` says beyond the flags.
func (*checkCommand) Help() string {
	return "The exit status is 1 when a check fails; a warning leaves it at 0."
}

// Run checks the directory.
func (c *checkCommand) Run(s streams) error {
	var out admin.CheckDirectoryResult
	stop := progress(s.err, "checking "+c.ID)
	answer, err := c.call(context.Background(), wire.Latchkey, "CheckDirectory", &admin.CheckDirectoryRequest{DirectoryId: &c.ID}, &out)
	stop()
	if err != nil {
		return err
	}
	findings := io.Discard
	if c.Output == "json" {
		err = writeJSON(s.out, answer)
	} else {
		findings = s.out
	}
	if failed := writeFindings(findings, out.Findings); failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %s of %s failed", failed, counted(len(out.Findings), "check", "checks"), c.ID))
	}
	return err
}

type delegationCommand struct {
	ID string `arg:"" help:"The directory, d-…"`
	client

	Account string   `name:"account" required:"" placeholder:"NAME" help:"The service account: its sAMAccountName, or DOMAIN\\name."`
	OU      []string `name:"ou" sep:"none" placeholder:"OU=…" help:"DN below which the account is to work; repeatable. Without any, those that resets are confined to."`
	Purpose string   `name:"purpose" enum:"reset,management,both" default:"both" help:"Rights for resets, for the management of users, or both."`
}

// Run prints the commands.
func (c *delegationCommand) Run(s streams) error {
	in := &admin.DescribeDelegationRequest{DirectoryId: &c.ID, Account: &c.Account, OrganizationalUnits: c.OU}
	switch c.Purpose {
	case "reset":
		in.Purpose = new(admin.PurposeReset)
	case "management":
		in.Purpose = new(admin.PurposeManagement)
	}
	var out admin.DescribeDelegationResult
	answer, err := c.call(context.Background(), wire.Latchkey, "DescribeDelegation", in, &out)
	switch {
	case err != nil:
		return err
	case c.Output == "json":
		return writeJSON(s.out, answer)
	}
	writeCommands(s.out, out.Commands)
	return nil
}

// writeCommands prints commands by their dialects, each with what it is for, so that either part can be copied.
func writeCommands(w io.Writer, commands []admin.Command) {
	commands = slices.Clone(commands)
	slices.SortStableFunc(commands, func(a, b admin.Command) int { return strings.Compare(text(a.Dialect), text(b.Dialect)) })
	before := ""
	for _, command := range commands {
		if dialect := text(command.Dialect); dialect != before {
			if before != "" {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "# %s\n", dialect)
			before = dialect
		}
		fmt.Fprintf(w, "# %s: %s\n%s\n", text(command.Purpose), text(command.Grants), text(command.Command))
	}
}

type listCommand struct{ client }

// Run lists the directories, page by page.
func (c *listCommand) Run(s streams) error {
	in, all := &ds.DescribeDirectoriesRequest{}, []json.RawMessage{}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tTYPE\tSTAGE\tREASON")
	for {
		var out ds.DescribeDirectoriesResult
		answer, err := c.call(context.Background(), wire.DS, "DescribeDirectories", in, &out)
		if err != nil {
			return err
		}
		var raw struct{ DirectoryDescriptions []json.RawMessage }
		if err := json.Unmarshal(answer, &raw); err != nil {
			return err
		}
		all = append(all, raw.DirectoryDescriptions...)
		for _, d := range out.DirectoryDescriptions {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", text(d.DirectoryId), text(d.Name), text(d.Type), text(d.Stage), cmp.Or(strings.ReplaceAll(text(d.StageReason), "\n", "; "), "-"))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if c.Output == "text" {
		return table.Flush()
	}
	answer, err := json.Marshal(map[string]any{"DirectoryDescriptions": all})
	if err != nil {
		return err
	}
	return writeJSON(s.out, answer)
}

type dataAccessCommand struct {
	ID     string `arg:"" help:"The directory, d-…"`
	Change string `arg:"" optional:"" enum:"enable,disable," default:"" help:"enable or disable; without it, nothing changes."`
	client
}

// Help is what `latchkey directory data-access --help` says beyond the flags.
func (*dataAccessCommand) Help() string {
	return `As on AWS, the users and groups of a new Managed Microsoft AD can't be managed (Directory Service Data, latchkey user, latchkey group) before this is enabled. It waits until it is.

Example:

  latchkey directory data-access d-1234567890 enable`
}

// Run tells the status, at the end of the change if there is one.
func (c *dataAccessCommand) Run(s streams) error {
	session, err := c.connect()
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	switch c.Change {
	case "enable":
		_, err = session.call(ctx, wire.DS, "EnableDirectoryDataAccess", &ds.EnableDirectoryDataAccessRequest{DirectoryId: &c.ID}, &ds.EnableDirectoryDataAccessResult{})
	case "disable":
		_, err = session.call(ctx, wire.DS, "DisableDirectoryDataAccess", &ds.DisableDirectoryDataAccessRequest{DirectoryId: &c.ID}, &ds.DisableDirectoryDataAccessResult{})
	}
	if err != nil && !isException(err, "DirectoryInDesiredStateException") {
		return err
	}
	for {
		var out ds.DescribeDirectoryDataAccessResult
		answer, err := session.call(ctx, wire.DS, "DescribeDirectoryDataAccess", &ds.DescribeDirectoryDataAccessRequest{DirectoryId: &c.ID}, &out)
		status := text(out.DataAccessStatus)
		changing := status == ds.DataAccessStatusEnabling || status == ds.DataAccessStatusDisabling
		switch {
		case err != nil:
			return err
		case c.Change != "" && changing && wait(ctx, firstPause):
			continue
		case c.Output == "json":
			return writeJSON(s.out, answer)
		}
		_, err = fmt.Fprintln(s.out, status)
		return err
	}
}

type detachCommand struct {
	ID string `arg:"" help:"The directory, d-…"`
	client
}

// Help is what `latchkey directory detach --help` says beyond the flags.
func (*detachCommand) Help() string {
	return "Latchkey forgets how the domain is reached. Users, groups and passwords in the domain stay as they are, and the domain can be attached again, under another ID. Directories that Latchkey itself holds are deleted by aws ds delete-directory."
}

// Run detaches the domain.
func (c *detachCommand) Run(s streams) error {
	var out admin.DetachDirectoryResult
	answer, err := c.call(context.Background(), wire.Latchkey, "DetachDirectory", &admin.DetachDirectoryRequest{DirectoryId: &c.ID}, &out)
	switch {
	case err != nil:
		return err
	case c.Output == "json":
		return writeJSON(s.out, answer)
	}
	_, err = fmt.Fprintf(s.out, "%s is detached; nothing in the domain was touched\n", text(out.DirectoryId))
	return err
}

type rollKrbtgtCommand struct {
	ID string `arg:"" help:"The directory, d-…"`
	client
}

// Help is what `latchkey directory roll-krbtgt --help` says beyond the flags.
func (*rollKrbtgtCommand) Help() string {
	return "Tickets under the former key are good until they expire, ten hours at most; those under the one before it are not any more. Who suspects that the key is known to others rolls it twice: everybody then has to log in again."
}

// Run rolls the key.
func (c *rollKrbtgtCommand) Run(s streams) error {
	var out admin.RollKrbtgtResult
	answer, err := c.call(context.Background(), wire.Latchkey, "RollKrbtgt", &admin.RollKrbtgtRequest{DirectoryId: &c.ID}, &out)
	switch {
	case err != nil:
		return err
	case c.Output == "json":
		return writeJSON(s.out, answer)
	}
	_, err = fmt.Fprintf(s.out, "%s has a new key for tickets, version %d\n", text(out.DirectoryId), *out.KeyVersionNumber)
	return err
}

// writeJSON prints an answer of the server as it came, on lines of their own.
func writeJSON(w io.Writer, answer []byte) error {
	var lines bytes.Buffer
	if err := json.Indent(&lines, answer, "", "  "); err != nil {
		return err
	}
	lines.WriteByte('\n')
	_, err := lines.WriteTo(w)
	return err
}

// optional is a member that is absent while it has its zero value.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}
