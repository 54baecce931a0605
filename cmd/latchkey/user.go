package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"latchkey/internal/dsdata"
	"latchkey/internal/wire"
)

type userCommand struct {
	Create        userCreateCommand  `cmd:"" help:"Create a user."`
	Show          userShowCommand    `cmd:"" help:"Show a user."`
	List          userListCommand    `cmd:"" help:"List the users."`
	Search        userSearchCommand  `cmd:"" help:"Find users by their names, their mail address or other attributes."`
	Update        userUpdateCommand  `cmd:"" help:"Change a user."`
	Disable       userDisableCommand `cmd:"" help:"Disable a user, until the next reset-password."`
	Delete        userDeleteCommand  `cmd:"" help:"Delete a user."`
	ResetPassword userResetCommand   `cmd:"" name:"reset-password" help:"Set a user's password, which enables the user."`
	Import        userImportCommand  `cmd:"" help:"Create the users of a CSV or LDIF file."`
	Export        userExportCommand  `cmd:"" help:"Write all users to a CSV or LDIF file."`
}

// userAttributes are those with flags of their own.
type userAttributes struct {
	GivenName string     `name:"given-name" group:"Attributes" help:"First name."`
	Surname   string     `name:"surname" group:"Attributes" help:"Family name."`
	Email     string     `name:"email" placeholder:"ADDRESS" group:"Attributes" help:"Mail address."`
	Attribute attributes `name:"attribute" sep:"none" placeholder:"NAME=VALUE" group:"Attributes" help:"Any other AD attribute, such as title=Engineer; repeatable. One name more than once gives it several values."`
}

type userCreateCommand struct {
	Name string `arg:"" help:"Name that the user logs in with (sAMAccountName): up to 20 letters, digits, and . _ -"`
	data
	userAttributes
	Group  []string `name:"group" sep:"none" placeholder:"GROUP" group:"Attributes" help:"Group to add the user to; repeatable."`
	Prompt bool     `name:"prompt" xor:"password" group:"Password" help:"Ask for it."`
	newPassword
}

// Help is what `latchkey user create --help` says beyond the flags.
func (*userCreateCommand) Help() string {
	return `Without a password the user is disabled, as on AWS, until latchkey user reset-password sets one.

Examples:

  latchkey user create jane --given-name Jane --surname Doe --email jane@corp.example.com --group Staff --prompt
  latchkey user create ci-bot --attribute description='Nightly builds' --generate`
}

// Run creates the user, adds it to its groups, and sets its password last: it can log in once all is as it should be.
func (c *userCreateCommand) Run(s streams) error {
	other := c.Attribute.values()
	var password []byte
	if c.Prompt || c.PasswordStdin {
		var err error
		if password, err = c.read(s, c.Name); err != nil {
			return err
		}
		defer clear(password)
	}
	ctx := context.Background()
	session, id, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	for _, group := range c.Group {
		if _, err := session.groupDN(ctx, id, group); err != nil {
			return fmt.Errorf("--group %s: %w", group, err)
		}
	}
	in := &dsdata.CreateUserRequest{
		DirectoryId: id, SAMAccountName: &c.Name, GivenName: optional(c.GivenName), Surname: optional(c.Surname), EmailAddress: optional(c.Email), OtherAttributes: other,
	}
	var out dsdata.CreateUserResult
	answer, err := session.call(ctx, wire.DSData, "CreateUser", in, &out)
	if err != nil {
		return err
	}
	// A generated password is alone on standard output.
	said := s.out
	switch {
	case c.Output == "json" && c.Generate:
		said = io.Discard
	case c.Output == "json":
		said, err = io.Discard, writeJSON(s.out, answer)
	case c.Generate:
		said = s.err
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(said, "%s is created: %s\n", c.Name, text(out.SID))
	for _, group := range c.Group {
		if err := session.add(ctx, id, group, c.Name); err != nil {
			return &advised{fmt.Errorf("%s is created, and not in the group %s: %w", c.Name, group, err), "latchkey group add-member adds to a group, and latchkey user reset-password sets the password"}
		}
		fmt.Fprintf(said, "%s is a member of %s\n", c.Name, group)
	}
	if !c.Generate && password == nil {
		fmt.Fprintf(said, "%s is disabled until latchkey user reset-password sets a password\n", c.Name)
		return nil
	}
	if err := c.set(ctx, s, session, id, &c.Name, password); err != nil {
		return &advised{fmt.Errorf("%s is created, and has no password: %w", c.Name, err), "latchkey user reset-password " + c.Name + " sets one"}
	}
	fmt.Fprintf(said, "%s has a password, and is enabled\n", c.Name)
	return nil
}

type userShowCommand struct {
	Name string `arg:"" help:"The user (sAMAccountName)."`
	data
	Attribute []string `name:"attribute" placeholder:"NAME" help:"AD attributes to show besides the usual ones; repeatable."`
}

// usualAttributes are what people keep about people: a request takes 25 names.
var usualAttributes = [...]string{
	"displayName", "description", "title", "department", "company", "manager", "employeeID", "employeeNumber", "physicalDeliveryOfficeName", "telephoneNumber", "mobile",
	"homePhone", "streetAddress", "postalCode", "l", "st", "co", "wWWHomePage", "info",
}

// Run shows the user.
func (c *userShowCommand) Run(s streams) error {
	var out dsdata.DescribeUserResult
	in := func(id *string) any {
		return &dsdata.DescribeUserRequest{DirectoryId: id, SAMAccountName: &c.Name, OtherAttributes: asked(c.Attribute, append(usualAttributes[:], "memberOf"))}
	}
	return c.tell(s, "DescribeUser", in, &out, func(w io.Writer) {
		writeObject(w, out.OtherAttributes, [][2]string{
			{"SAMAccountName", text(out.SAMAccountName)},
			{"Enabled", yesNo(out.Enabled)},
			{"GivenName", text(out.GivenName)},
			{"Surname", text(out.Surname)},
			{"EmailAddress", text(out.EmailAddress)},
			{"UserPrincipalName", text(out.UserPrincipalName)},
			{"DistinguishedName", text(out.DistinguishedName)},
			{"SID", text(out.SID)},
		})
	})
}

// asked is the names that the user asks for, and the usual ones besides.
func asked(names, usual []string) []string {
	if slices.Equal(names, []string{"*"}) {
		return names // all that there are
	}
	for _, name := range usual {
		if !isOneOf(name, names...) {
			names = append(names, name)
		}
	}
	return names
}

// writeObject writes what an object has, an attribute or one of its values a line.
func writeObject(w io.Writer, other map[string]dsdata.AttributeValue, lines [][2]string) {
	for _, name := range slices.Sorted(maps.Keys(other)) {
		for _, value := range texts(other[name]) {
			lines = append(lines, [2]string{name, value})
		}
	}
	table := newTable(w, "ATTRIBUTE", "VALUE")
	for _, line := range lines {
		if line[1] != "" {
			_ = table.row(line[0], line[1])
		}
	}
	_ = table.flush()
}

type userListCommand struct{ data }

// Run lists the users, page by page.
func (c *userListCommand) Run(s streams) error {
	in := func(id, token *string) any {
		return &dsdata.ListUsersRequest{DirectoryId: id, NextToken: token, MaxResults: new(mostOfPage)}
	}
	return list(&c.data, s, "ListUsers", "Users", in, []string{"NAME", "ENABLED", "GIVEN NAME", "SURNAME", "SID"}, func(u dsdata.UserSummary) []string {
		return []string{text(u.SAMAccountName), yesNo(u.Enabled), text(u.GivenName), text(u.Surname), text(u.SID)}
	})
}

func yesNo(member *bool) string {
	switch {
	case member == nil:
		return ""
	case *member:
		return "yes"
	}
	return "no"
}

// sought is what to find.
type sought struct {
	Text  string `arg:"" help:"A part of what to find, or a pattern with * in it."`
	Exact bool   `name:"exact" help:"Find whole values only."`
}

// pattern has a * where any text may be.
func (s *sought) pattern() *string {
	if s.Exact || strings.Contains(s.Text, "*") {
		return &s.Text
	}
	return new("*" + s.Text + "*")
}

type userSearchCommand struct {
	sought
	data
	In []string `name:"in" placeholder:"ATTRIBUTE" default:"SAMAccountName,GivenName,Surname,EmailAddress" help:"Attributes to look at."`
}

// Help is what `latchkey user search --help` says beyond the flags.
func (*userSearchCommand) Help() string {
	return `Examples:

  latchkey user search jan
  latchkey user search 'Dr.*' --in personalTitle
  latchkey user search Engineer --in title --exact`
}

// Run lists the users that fit.
func (c *userSearchCommand) Run(s streams) error {
	in := func(id, token *string) any {
		return &dsdata.SearchUsersRequest{DirectoryId: id, NextToken: token, MaxResults: new(mostOfPage), SearchString: c.pattern(), SearchAttributes: c.In}
	}
	return list(&c.data, s, "SearchUsers", "Users", in, []string{"NAME", "ENABLED", "GIVEN NAME", "SURNAME", "EMAIL", "SID"}, func(u dsdata.User) []string {
		return []string{text(u.SAMAccountName), yesNo(u.Enabled), text(u.GivenName), text(u.Surname), text(u.EmailAddress), text(u.SID)}
	})
}

type userUpdateCommand struct {
	Name string `arg:"" help:"The user (sAMAccountName)."`
	data
	userAttributes
	Remove []string `name:"remove" placeholder:"NAME" group:"Attributes" help:"AD attribute to remove, such as title; repeatable."`
}

// Validate tells what the flags lack as a whole.
func (c *userUpdateCommand) Validate() error {
	if c.GivenName == "" && c.Surname == "" && c.Email == "" && len(c.Attribute) == 0 && len(c.Remove) == 0 {
		return errors.New("--given-name, --surname, --email, --attribute or --remove has to say what changes")
	}
	return nil
}

// Run replaces attributes, and then removes some.
func (c *userUpdateCommand) Run(s streams) error {
	other := c.Attribute.values()
	ctx := context.Background()
	session, id, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	in := &dsdata.UpdateUserRequest{
		DirectoryId: id, SAMAccountName: &c.Name, UpdateType: new(dsdata.UpdateTypeREPLACE),
		GivenName: optional(c.GivenName), Surname: optional(c.Surname), EmailAddress: optional(c.Email), OtherAttributes: other,
	}
	if in.GivenName != nil || in.Surname != nil || in.EmailAddress != nil || len(other) > 0 {
		if _, err := session.call(ctx, wire.DSData, "UpdateUser", in, &dsdata.UpdateUserResult{}); err != nil {
			return err
		}
	}
	if len(c.Remove) > 0 {
		if err := session.removeOf(ctx, id, c.Name, c.Remove); err != nil {
			return err
		}
	}
	if c.Output == "json" {
		return writeJSON(s.out, []byte("{}"))
	}
	_, err = fmt.Fprintf(s.out, "%s is changed\n", c.Name)
	return err
}

// removeOf removes attributes of a user. The API wants their values.
func (s *session) removeOf(ctx context.Context, id *string, name string, names []string) error {
	ask := &dsdata.DescribeUserRequest{DirectoryId: id, SAMAccountName: &name}
	for _, each := range names {
		if !isOneOf(each, "GivenName", "Surname", "sn", "EmailAddress", "mail") {
			ask.OtherAttributes = append(ask.OtherAttributes, each)
		}
	}
	var user dsdata.DescribeUserResult
	if _, err := s.call(ctx, wire.DSData, "DescribeUser", ask, &user); err != nil {
		return err
	}
	in := &dsdata.UpdateUserRequest{DirectoryId: id, SAMAccountName: &name, UpdateType: new(dsdata.UpdateTypeREMOVE)}
	if len(ask.OtherAttributes) > 0 {
		in.OtherAttributes = map[string]dsdata.AttributeValue{}
	}
	for _, each := range names {
		there := true
		switch {
		case isOneOf(each, "GivenName"):
			in.GivenName, there = user.GivenName, user.GivenName != nil
		case isOneOf(each, "Surname", "sn"):
			in.Surname, there = user.Surname, user.Surname != nil
		case isOneOf(each, "EmailAddress", "mail"):
			in.EmailAddress, there = user.EmailAddress, user.EmailAddress != nil
		default:
			there = keep(in.OtherAttributes, user.OtherAttributes, each)
		}
		if !there {
			return fmt.Errorf("--remove: %s has no %s", name, each)
		}
	}
	_, err := s.call(ctx, wire.DSData, "UpdateUser", in, &dsdata.UpdateUserResult{})
	return err
}

// isOneOf says whether two names of an attribute are the same, as AD compares them.
func isOneOf(name string, names ...string) bool {
	return slices.ContainsFunc(names, func(each string) bool { return strings.EqualFold(each, name) })
}

// keep puts one attribute of all into some, and says whether it is there.
func keep(some, all map[string]dsdata.AttributeValue, name string) bool {
	for each, value := range all {
		if strings.EqualFold(each, name) {
			some[each] = value
			return true
		}
	}
	return false
}

type userDisableCommand struct {
	Name string `arg:"" help:"The user (sAMAccountName)."`
	data
}

// Run disables the user.
func (c *userDisableCommand) Run(s streams) error {
	in := func(id *string) any { return &dsdata.DisableUserRequest{DirectoryId: id, SAMAccountName: &c.Name} }
	return c.tell(s, "DisableUser", in, &dsdata.DisableUserResult{}, func(w io.Writer) {
		fmt.Fprintf(w, "%s is disabled, until latchkey user reset-password sets a password\n", c.Name)
	})
}

type userDeleteCommand struct {
	Name string `arg:"" help:"The user (sAMAccountName)."`
	data
}

// Run deletes the user.
func (c *userDeleteCommand) Run(s streams) error {
	in := func(id *string) any { return &dsdata.DeleteUserRequest{DirectoryId: id, SAMAccountName: &c.Name} }
	return c.tell(s, "DeleteUser", in, &dsdata.DeleteUserResult{}, func(w io.Writer) { fmt.Fprintf(w, "%s is deleted\n", c.Name) })
}

type userResetCommand struct {
	Name string `arg:"" help:"The user (sAMAccountName)."`
	data
	newPassword
}

// Help is what `latchkey user reset-password --help` says beyond the flags.
func (*userResetCommand) Help() string {
	return `Asks for the password, without showing it, where no flag says otherwise. The old one does not log in any more.

Examples:

  latchkey user reset-password jane
  latchkey user reset-password jane --generate
  pass show corp/jane | latchkey user reset-password jane --password-stdin`
}

// Run sets the password.
func (c *userResetCommand) Run(s streams) error {
	var password []byte
	if !c.Generate {
		var err error
		if password, err = c.read(s, c.Name); err != nil {
			return err
		}
		defer clear(password)
	}
	ctx := context.Background()
	session, id, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	if err := c.set(ctx, s, session, id, &c.Name, password); err != nil || c.Generate {
		return err
	}
	if c.Output == "json" {
		return writeJSON(s.out, []byte("{}"))
	}
	_, err = fmt.Fprintf(s.out, "%s has a new password, and is enabled\n", c.Name)
	return err
}
