package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/errgroup"

	"latchkey/internal/ds"
	"latchkey/internal/dsdata"
	"latchkey/internal/ldif"
	"latchkey/internal/wire"
)

type userExportCommand struct {
	File string `arg:"" optional:"" default:"-" help:"File to write; standard output without it."`
	data
	Format    string   `name:"format" enum:",csv,ldif" default:"" group:"Export" help:"csv or ldif; without it what the file's name ends with, and csv otherwise."`
	Attribute []string `name:"attribute" placeholder:"NAME" group:"Export" help:"AD attributes to write besides the names, instead of the usual ones; up to 24, repeatable."`
	Groups    bool     `name:"groups" group:"Export" help:"Write the groups of each user, too."`
	Parallel  int      `name:"parallel" default:"8" placeholder:"N" group:"Export" help:"How many users to ask for at a time, up to 64."`
}

// Help is what `latchkey user export --help` says beyond the flags.
func (*userExportCommand) Help() string {
	return `Writes all users that the directory lets be managed, never a password, in a form that latchkey user import takes. A file appears under its name when it is whole.

Examples:

  latchkey user export users.csv
  latchkey user export users.ldif --groups
  latchkey user export --attribute title --attribute department | column -s, -t`
}

// maxAttributes is how many names a request takes.
const maxAttributes = 25

// Validate tells what is wrong with the flags.
func (c *userExportCommand) Validate() error {
	switch {
	case c.Parallel < 1 || c.Parallel > maxParallel:
		return fmt.Errorf("--parallel: %d is not between 1 and %d", c.Parallel, maxParallel)
	case len(c.Attribute) >= maxAttributes:
		return fmt.Errorf("--attribute: there are %d, and %d at most", len(c.Attribute), maxAttributes-1)
	}
	return nil
}

// exporter is an export at work.
type exporter struct {
	*userExportCommand
	session *session
	id      *string // of the directory
	ou      string  // the DN of what the directory lets be managed, in lower case, after a comma
	bar     *bar

	mu     sync.Mutex
	groups map[string]string // the names of groups, by their DNs; "" for those that are not written
}

// exported is what is written of a user.
type exported struct {
	dsdata.DescribeUserResult
	groups, groupDNs []string
}

// Run writes the users as they come, a page at a time.
func (c *userExportCommand) Run(s streams) error {
	if len(c.Attribute) == 0 {
		c.Attribute = usualAttributes[:]
	}
	if c.Format == "" {
		if c.Format = "csv"; strings.EqualFold(filepath.Ext(c.File), ".ldif") {
			c.Format = "ldif"
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	session, id, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	x := &exporter{userExportCommand: c, session: session, id: id, groups: map[string]string{}}
	if x.ou, err = session.ou(ctx, id); err != nil {
		return err
	}
	if c.File == "-" {
		return x.run(ctx, s, s.out)
	}
	file, err := os.OpenFile(c.File+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(x.run(ctx, s, file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), c.File); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s in %s\n", counted(x.bar.done, "user is", "users are"), c.File)
	return err
}

// ou is the DN of the OU that AWS gives the customer, named after the NetBIOS name.
func (s *session) ou(ctx context.Context, id *string) (string, error) {
	var out ds.DescribeDirectoriesResult
	_, err := s.call(ctx, wire.DS, "DescribeDirectories", &ds.DescribeDirectoriesRequest{DirectoryIds: []string{*id}}, &out)
	if err != nil {
		return "", err
	}
	if len(out.DirectoryDescriptions) != 1 {
		return "", fmt.Errorf("directory %s does not exist", *id)
	}
	d := out.DirectoryDescriptions[0]
	dn := ",OU=" + ldap.EscapeDN(text(d.ShortName)) + ",DC=" + strings.ReplaceAll(text(d.Name), ".", ",DC=")
	return strings.ToLower(dn), nil
}

// ours says whether something is the customer's own, and can be imported again.
func (x *exporter) ours(dn *string) bool { return strings.HasSuffix(strings.ToLower(text(dn)), x.ou) }

func (x *exporter) run(ctx context.Context, s streams, w io.Writer) error {
	x.bar = newBar(s.err, 0)
	defer x.bar.stop()
	buffered := bufio.NewWriter(w)
	write := func(u *exported) error { return x.writeLDIF(buffered, u) }
	table := csv.NewWriter(buffered)
	if x.Format == "csv" {
		write = func(u *exported) error { return table.Write(x.cells(u)) }
		if err := table.Write(x.header()); err != nil {
			return err
		}
	} else if _, err := buffered.WriteString("version: 1\n\n"); err != nil {
		return err
	}
	if err := x.users(ctx, write); err != nil {
		return err
	}
	table.Flush()
	return errors.Join(table.Error(), buffered.Flush())
}

// users gives each user to write, in the directory's order.
func (x *exporter) users(ctx context.Context, write func(*exported) error) error {
	var page []string
	flush := func() error {
		users := make([]*exported, len(page))
		var workers errgroup.Group
		workers.SetLimit(x.Parallel)
		for i, name := range page {
			workers.Go(func() (err error) {
				users[i], err = x.describe(ctx, name)
				return err
			})
		}
		if err := workers.Wait(); err != nil {
			return err
		}
		page = page[:0]
		for _, u := range users {
			if u == nil {
				continue
			}
			if err := write(u); err != nil {
				return err
			}
			x.bar.count(1, 0, 0, "")
		}
		return nil
	}
	in := func(token *string) any {
		return &dsdata.ListUsersRequest{DirectoryId: x.id, NextToken: token, MaxResults: new(mostOfPage)}
	}
	err := x.session.elements(ctx, "ListUsers", "Users", in, func(raw json.RawMessage) error {
		var user dsdata.UserSummary
		if err := json.Unmarshal(raw, &user); err != nil || user.SAMAccountName == nil {
			return x.session.stranger("Users")
		}
		if page = append(page, *user.SAMAccountName); len(page) < int(mostOfPage) {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// administrator is the user that every Managed Microsoft AD has.
const administrator = "Admin"

// describe is nil for a user that is not the customer's, or was deleted since it was listed, or that was made by LDAP with a
// name that the API does not take.
func (x *exporter) describe(ctx context.Context, name string) (*exported, error) {
	in := &dsdata.DescribeUserRequest{DirectoryId: x.id, SAMAccountName: &name}
	if wire.DSData.Validate("DescribeUser", in) != nil {
		x.bar.count(0, 0, 0, fmt.Sprintf("%s is left out: Directory Service Data takes no such name", text(&name)))
		return nil, nil
	}
	u := &exported{}
	in.OtherAttributes = x.Attribute
	if x.Groups {
		in.OtherAttributes = append(slices.Clone(x.Attribute), "memberOf")
	}
	_, err := x.session.call(ctx, wire.DSData, "DescribeUser", in, &u.DescribeUserResult)
	switch {
	case isException(err, "ResourceNotFoundException"), err == nil && (!x.ours(u.DistinguishedName) || strings.EqualFold(name, administrator)):
		return nil, nil
	case err != nil || !x.Groups:
		return u, err
	}
	for _, dn := range u.value("memberOf") {
		group, err := x.group(ctx, dn)
		if err != nil {
			return nil, err
		}
		if group != "" {
			u.groups, u.groupDNs = append(u.groups, group), append(u.groupDNs, dn)
		}
	}
	return u, nil
}

// group is the name of the group with that DN; "" for one that nobody can be added to. A group's CN is its name, unless
// somebody renamed it by LDAP.
func (x *exporter) group(ctx context.Context, dn string) (string, error) {
	x.mu.Lock()
	name, ok := x.groups[dn]
	x.mu.Unlock()
	if ok {
		return name, nil
	}
	if x.ours(&dn) {
		name = firstValue(dn)
		found, err := x.session.groupDN(ctx, x.id, name)
		if err != nil && !isException(err, "ResourceNotFoundException") {
			return "", err
		}
		if !strings.EqualFold(found, dn) {
			return "", fmt.Errorf("the sAMAccountName of the group %s is not %s; without --groups users can be exported", dn, name)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.groups[dn] = name
	return name, nil
}

func (x *exporter) header() []string {
	names := append([]string{"SAMAccountName", "GivenName", "Surname", "EmailAddress", "Enabled"}, x.Attribute...)
	if x.Groups {
		names = append(names, "Groups")
	}
	return append(names, "UserPrincipalName", "DistinguishedName", "SID")
}

// value is the values of an attribute, whatever the case that the answer has its name in.
func (u *exported) value(name string) []string {
	for each, value := range u.OtherAttributes {
		if strings.EqualFold(each, name) {
			return texts(value)
		}
	}
	return nil
}

func (x *exporter) cells(u *exported) []string {
	member := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	cells := []string{member(u.SAMAccountName), member(u.GivenName), member(u.Surname), member(u.EmailAddress), strings.ToUpper(fmt.Sprint(u.Enabled != nil && *u.Enabled))}
	for _, name := range x.Attribute {
		cells = append(cells, cell(u.value(name)))
	}
	if x.Groups {
		cells = append(cells, strings.Join(u.groups, ";"))
	}
	return append(cells, member(u.UserPrincipalName), member(u.DistinguishedName), member(u.SID))
}

// cell is what column reads again: one value as it is, several, and one that looks like several, as a list in JSON.
func cell(values []string) string {
	switch {
	case len(values) == 0:
		return ""
	case len(values) == 1 && !strings.HasPrefix(values[0], "["):
		return values[0]
	}
	text, err := json.Marshal(values)
	if err != nil {
		return "" // texts can be marshalled
	}
	return string(text)
}

// normalAccount is the bit of userAccountControl (MS-ADTS 2.2.16).
const normalAccount = 512

func (x *exporter) writeLDIF(w io.Writer, u *exported) error {
	entry := []ldif.Change{{Attribute: "objectClass", Values: []string{"top", "person", "organizationalPerson", "user"}}}
	add := func(name string, values ...string) {
		if len(values) > 0 {
			entry = append(entry, ldif.Change{Attribute: name, Values: values})
		}
	}
	for _, member := range []struct {
		name  string
		value *string
	}{{"sAMAccountName", u.SAMAccountName}, {"givenName", u.GivenName}, {"sn", u.Surname}, {"mail", u.EmailAddress}, {"userPrincipalName", u.UserPrincipalName}} {
		if member.value != nil {
			add(member.name, *member.value)
		}
	}
	control := normalAccount
	if u.Enabled == nil || !*u.Enabled {
		control |= accountDisabled
	}
	add("userAccountControl", strconv.Itoa(control))
	for _, name := range x.Attribute {
		add(name, u.value(name)...)
	}
	add("memberOf", u.groupDNs...)
	_, err := w.Write(ldif.Append(nil, *u.DistinguishedName, entry))
	return err
}
