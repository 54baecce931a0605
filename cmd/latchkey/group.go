package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"latchkey/internal/dsdata"
	"latchkey/internal/wire"
)

type groupCommand struct {
	Create       groupCreateCommand  `cmd:"" help:"Create a group."`
	Show         groupShowCommand    `cmd:"" help:"Show a group."`
	List         groupListCommand    `cmd:"" help:"List the groups."`
	Search       groupSearchCommand  `cmd:"" help:"Find groups by their names or other attributes."`
	Update       groupUpdateCommand  `cmd:"" help:"Change a group."`
	Delete       groupDeleteCommand  `cmd:"" help:"Delete a group; its members stay."`
	AddMember    groupAddCommand     `cmd:"" name:"add-member" help:"Add users, groups or computers to a group."`
	RemoveMember groupRemoveCommand  `cmd:"" name:"remove-member" help:"Remove users, groups or computers from a group."`
	Members      groupMembersCommand `cmd:"" help:"List the members of a group."`
	Of           groupOfCommand      `cmd:"" help:"List the groups that a user, group or computer is a member of."`
}

// groupAttributes are those with flags of their own.
type groupAttributes struct {
	Type      string     `name:"type" enum:",Security,Distribution" default:"" group:"Attributes" help:"Security or Distribution."`
	Scope     string     `name:"scope" enum:",DomainLocal,Global,Universal" default:"" group:"Attributes" help:"DomainLocal, Global or Universal."`
	Attribute attributes `name:"attribute" sep:"none" placeholder:"NAME=VALUE" group:"Attributes" help:"Any other AD attribute, such as description='Night shift'; repeatable."`
}

type groupCreateCommand struct {
	Name string `arg:"" help:"Name of the group (sAMAccountName)."`
	data
	groupAttributes
}

// Help is what `latchkey group create --help` says beyond the flags.
func (*groupCreateCommand) Help() string {
	return `Without --type and --scope it is a global security group.

Example:

  latchkey group create Staff --attribute description='Everybody who works here'`
}

// Run creates the group.
func (c *groupCreateCommand) Run(s streams) error {
	other := c.Attribute.values()
	var out dsdata.CreateGroupResult
	in := func(id *string) any {
		return &dsdata.CreateGroupRequest{DirectoryId: id, SAMAccountName: &c.Name, GroupType: optional(c.Type), GroupScope: optional(c.Scope), OtherAttributes: other}
	}
	return c.tell(s, "CreateGroup", in, &out, func(w io.Writer) { fmt.Fprintf(w, "%s is created: %s\n", c.Name, text(out.SID)) })
}

type groupShowCommand struct {
	Name string `arg:"" help:"The group (sAMAccountName)."`
	data
	Attribute []string `name:"attribute" placeholder:"NAME" help:"AD attributes to show besides the usual ones; repeatable."`
}

// Run shows the group.
func (c *groupShowCommand) Run(s streams) error {
	var out dsdata.DescribeGroupResult
	in := func(id *string) any {
		usual := []string{"displayName", "description", "managedBy", "mail", "info"}
		return &dsdata.DescribeGroupRequest{DirectoryId: id, SAMAccountName: &c.Name, OtherAttributes: asked(c.Attribute, usual)}
	}
	return c.tell(s, "DescribeGroup", in, &out, func(w io.Writer) {
		writeObject(w, out.OtherAttributes, [][2]string{
			{"SAMAccountName", text(out.SAMAccountName)},
			{"GroupType", text(out.GroupType)},
			{"GroupScope", text(out.GroupScope)},
			{"DistinguishedName", text(out.DistinguishedName)},
			{"SID", text(out.SID)},
		})
	})
}

// groupColumns are those of every list of groups.
var groupColumns = [...]string{"NAME", "TYPE", "SCOPE", "SID"}

func groupCells(g dsdata.GroupSummary) []string {
	return []string{text(g.SAMAccountName), text(g.GroupType), text(g.GroupScope), text(g.SID)}
}

type groupListCommand struct{ data }

// Run lists the groups, page by page.
func (c *groupListCommand) Run(s streams) error {
	in := func(id, token *string) any {
		return &dsdata.ListGroupsRequest{DirectoryId: id, NextToken: token, MaxResults: new(mostOfPage)}
	}
	return list(&c.data, s, "ListGroups", "Groups", in, groupColumns[:], groupCells)
}

type groupSearchCommand struct {
	sought
	data
	In []string `name:"in" placeholder:"ATTRIBUTE" default:"SAMAccountName" help:"Attributes to look at."`
}

// Run lists the groups that fit.
func (c *groupSearchCommand) Run(s streams) error {
	in := func(id, token *string) any {
		return &dsdata.SearchGroupsRequest{DirectoryId: id, NextToken: token, MaxResults: new(mostOfPage), SearchString: c.pattern(), SearchAttributes: c.In}
	}
	return list(&c.data, s, "SearchGroups", "Groups", in, groupColumns[:], groupCells)
}

type groupUpdateCommand struct {
	Name string `arg:"" help:"The group (sAMAccountName)."`
	data
	groupAttributes
	Remove []string `name:"remove" placeholder:"NAME" group:"Attributes" help:"AD attribute to remove, such as description; repeatable."`
}

// Validate tells what the flags lack as a whole.
func (c *groupUpdateCommand) Validate() error {
	if c.Type == "" && c.Scope == "" && len(c.Attribute) == 0 && len(c.Remove) == 0 {
		return errors.New("--type, --scope, --attribute or --remove has to say what changes")
	}
	return nil
}

// Run replaces attributes, and then removes some.
func (c *groupUpdateCommand) Run(s streams) error {
	other := c.Attribute.values()
	ctx := context.Background()
	session, id, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	if c.Type != "" || c.Scope != "" || len(other) > 0 {
		in := &dsdata.UpdateGroupRequest{
			DirectoryId: id, SAMAccountName: &c.Name, UpdateType: new(dsdata.UpdateTypeREPLACE), GroupType: optional(c.Type), GroupScope: optional(c.Scope), OtherAttributes: other,
		}
		if _, err := session.call(ctx, wire.DSData, "UpdateGroup", in, &dsdata.UpdateGroupResult{}); err != nil {
			return err
		}
	}
	if len(c.Remove) > 0 {
		var group dsdata.DescribeGroupResult
		ask := &dsdata.DescribeGroupRequest{DirectoryId: id, SAMAccountName: &c.Name, OtherAttributes: c.Remove}
		if _, err := session.call(ctx, wire.DSData, "DescribeGroup", ask, &group); err != nil {
			return err
		}
		in := &dsdata.UpdateGroupRequest{DirectoryId: id, SAMAccountName: &c.Name, UpdateType: new(dsdata.UpdateTypeREMOVE), OtherAttributes: map[string]dsdata.AttributeValue{}}
		for _, each := range c.Remove {
			if !keep(in.OtherAttributes, group.OtherAttributes, each) {
				return fmt.Errorf("--remove: %s has no %s", c.Name, each)
			}
		}
		if _, err := session.call(ctx, wire.DSData, "UpdateGroup", in, &dsdata.UpdateGroupResult{}); err != nil {
			return err
		}
	}
	if c.Output == "json" {
		return writeJSON(s.out, []byte("{}"))
	}
	_, err = fmt.Fprintf(s.out, "%s is changed\n", c.Name)
	return err
}

type groupDeleteCommand struct {
	Name string `arg:"" help:"The group (sAMAccountName)."`
	data
}

// Run deletes the group.
func (c *groupDeleteCommand) Run(s streams) error {
	in := func(id *string) any { return &dsdata.DeleteGroupRequest{DirectoryId: id, SAMAccountName: &c.Name} }
	return c.tell(s, "DeleteGroup", in, &dsdata.DeleteGroupResult{}, func(w io.Writer) { fmt.Fprintf(w, "%s is deleted\n", c.Name) })
}

// membership is a group and some of its members.
type membership struct {
	Group  string   `arg:"" help:"The group (sAMAccountName)."`
	Member []string `arg:"" help:"Users, groups or computers (sAMAccountName; a computer's ends with $)."`
	data
	Realm string `name:"realm" placeholder:"DNS-NAME" help:"Domain of the members, where it is another one that is trusted."`
}

// each makes one call for each member, and goes on after one that fails.
func (m *membership) each(s streams, said string, call func(ctx context.Context, session *session, id *string, member string) error) error {
	ctx := context.Background()
	session, id, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	var failed []error
	for _, member := range m.Member {
		switch err := call(ctx, session, id, member); {
		case err != nil && len(m.Member) > 1:
			failed = append(failed, fmt.Errorf("%s: %w", member, err))
		case err != nil:
			return err
		case m.Output == "text":
			fmt.Fprintf(s.out, said, member, m.Group)
		}
	}
	if m.Output == "json" {
		failed = append(failed, writeJSON(s.out, []byte("{}")))
	}
	return errors.Join(failed...)
}

type groupAddCommand struct{ membership }

// Run adds the members.
func (c *groupAddCommand) Run(s streams) error {
	return c.each(s, "%s is a member of %s\n", func(ctx context.Context, session *session, id *string, member string) error {
		in := &dsdata.AddGroupMemberRequest{DirectoryId: id, GroupName: &c.Group, MemberName: &member, MemberRealm: optional(c.Realm)}
		_, err := session.call(ctx, wire.DSData, "AddGroupMember", in, &dsdata.AddGroupMemberResult{})
		return err
	})
}

type groupRemoveCommand struct{ membership }

// Run removes the members.
func (c *groupRemoveCommand) Run(s streams) error {
	return c.each(s, "%s is no member of %s any more\n", func(ctx context.Context, session *session, id *string, member string) error {
		in := &dsdata.RemoveGroupMemberRequest{DirectoryId: id, GroupName: &c.Group, MemberName: &member, MemberRealm: optional(c.Realm)}
		_, err := session.call(ctx, wire.DSData, "RemoveGroupMember", in, &dsdata.RemoveGroupMemberResult{})
		return err
	})
}

type groupMembersCommand struct {
	Group string `arg:"" help:"The group (sAMAccountName)."`
	data
}

// Run lists the members, page by page.
func (c *groupMembersCommand) Run(s streams) error {
	in := func(id, token *string) any {
		return &dsdata.ListGroupMembersRequest{DirectoryId: id, NextToken: token, MaxResults: new(mostOfPage), SAMAccountName: &c.Group}
	}
	return list(&c.data, s, "ListGroupMembers", "Members", in, []string{"NAME", "TYPE", "SID"}, func(m dsdata.Member) []string {
		return []string{text(m.SAMAccountName), text(m.MemberType), text(m.SID)}
	})
}

type groupOfCommand struct {
	Member string `arg:"" help:"A user, group or computer (sAMAccountName; a computer's ends with $)."`
	data
}

// Run lists the groups, page by page.
func (c *groupOfCommand) Run(s streams) error {
	in := func(id, token *string) any {
		return &dsdata.ListGroupsForMemberRequest{DirectoryId: id, NextToken: token, MaxResults: new(mostOfPage), SAMAccountName: &c.Member}
	}
	return list(&c.data, s, "ListGroupsForMember", "Groups", in, groupColumns[:], groupCells)
}

// add adds a user to a group that it may be in already.
func (s *session) add(ctx context.Context, id *string, group, member string) error {
	in := &dsdata.AddGroupMemberRequest{DirectoryId: id, GroupName: &group, MemberName: &member}
	_, err := s.call(ctx, wire.DSData, "AddGroupMember", in, &dsdata.AddGroupMemberResult{})
	if !isException(err, "ConflictException") {
		return err
	}
	dn, failed := s.groupDN(ctx, id, group)
	var user dsdata.DescribeUserResult
	if failed == nil {
		ask := &dsdata.DescribeUserRequest{DirectoryId: id, SAMAccountName: &member, OtherAttributes: []string{"memberOf"}}
		_, failed = s.call(ctx, wire.DSData, "DescribeUser", ask, &user)
	}
	if failed == nil && isOneOf(dn, texts(user.OtherAttributes["memberOf"])...) {
		return nil
	}
	return err
}

func (s *session) groupDN(ctx context.Context, id *string, name string) (string, error) {
	var out dsdata.DescribeGroupResult
	_, err := s.call(ctx, wire.DSData, "DescribeGroup", &dsdata.DescribeGroupRequest{DirectoryId: id, SAMAccountName: &name}, &out)
	return text(out.DistinguishedName), err
}
