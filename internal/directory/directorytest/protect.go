package directorytest

import (
	"fmt"

	"latchkey/internal/directory"
)

// administrators: on Simple AD nobody who is in Domain Admins or Enterprise Admins, however, but Administrator.
func administrators() (scenarios []Scenario) {
	for _, s := range []struct {
		rule, name string
		enter      func(c *check, user string)
	}{
		{"a direct member of Domain Admins", "direct", func(c *check, user string) { c.join(c.builtin("Domain Admins"), user) }},
		{"a direct member of Enterprise Admins", "enterprise", func(c *check, user string) { c.join(c.builtin("Enterprise Admins"), user) }},
		{"a member of both", "both", func(c *check, user string) {
			c.join(c.builtin("Domain Admins"), user)
			c.join(c.builtin("Enterprise Admins"), user)
		}},
		{"a member of a member of Domain Admins", "nested", func(c *check, user string) {
			c.join(c.builtin("Domain Admins"), c.group("nesting", globalGroup, user))
		}},
		{"a member three groups deep", "deep", func(c *check, user string) {
			inner := c.group("deep1", globalGroup, user)
			c.join(c.builtin("Domain Admins"), c.group("deep3", globalGroup, c.group("deep2", globalGroup, inner)))
		}},
		{"a member of a universal group in Enterprise Admins", "universal", func(c *check, user string) {
			c.join(c.builtin("Enterprise Admins"), c.group("in-enterprise", universalGroup, user))
		}},
		{"a member of a global group in a universal group in Enterprise Admins", "mixed", func(c *check, user string) {
			c.join(c.builtin("Enterprise Admins"), c.group("mixed-universal", universalGroup, c.group("mixed-global", globalGroup, user)))
		}},
		{"a member by a circle of groups", "circular", func(c *check, user string) {
			one := c.group("circle-one", universalGroup, user)
			two := c.group("circle-two", universalGroup, one)
			c.join(one, two)
			c.join(c.builtin("Enterprise Admins"), two)
		}},
		{"who has Domain Admins as the primary group", "primary", func(c *check, user string) {
			c.join(c.builtin("Domain Admins"), user)
			c.set(user, "primaryGroupID", "512")
		}},
		{"who has a member of Domain Admins as the primary group", "primary-nested", func(c *check, user string) {
			group := c.group("primary-nesting", globalGroup, user)
			c.set(user, "primaryGroupID", fmt.Sprint(c.sid(group).RID()))
			c.join(c.builtin("Domain Admins"), group)
		}},
	} {
		scenarios = append(scenarios, Scenario{Rule: s.rule + " is protected", Kind: directory.SimpleAD, run: func(c *check) {
			dn := c.user(s.name)
			s.enter(c, dn)
			c.protected(dn, s.name)
		}})
	}
	for _, s := range []struct{ rule, name, group string }{
		{"a member of Backup Operators", "backup", "CN=Backup Operators,CN=Builtin"},
		{"a member of Account Operators", "operator", "CN=Account Operators,CN=Builtin"},
		{"a member of BUILTIN\\Administrators alone", "local", "CN=Administrators,CN=Builtin"},
		{"a member of Schema Admins", "schema", "CN=Schema Admins,CN=Users"},
		{"a member of Group Policy Creator Owners", "policy", "CN=Group Policy Creator Owners,CN=Users"},
	} {
		scenarios = append(scenarios, Scenario{Rule: s.rule + " is not protected", Kind: directory.SimpleAD, run: func(c *check) {
			c.join(s.group+","+c.Domain.BaseDN(), c.user(s.name))
			c.open(s.name)
		}})
	}
	return append(scenarios, []Scenario{
		{Rule: "who is in no special group is not protected", Kind: directory.SimpleAD, run: func(c *check) {
			c.group("unrelated", globalGroup, c.user("plain"))
			c.open("plain")
		}},
		{Rule: "an account named like a protected group is not protected", Kind: directory.SimpleAD, run: func(c *check) {
			c.user("Domain Admin")
			c.open("Domain Admin")
		}},
		{Rule: "a group named like a protected one protects nobody", Kind: directory.SimpleAD, run: func(c *check) {
			c.add(c.at("Domain Admins of sales"), map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"Domain-Admins"}, "member": {c.user("sales")}})
			c.open("sales")
		}},
		{Rule: "a distribution group in a protected one protects nobody", Kind: directory.SimpleAD, run: func(c *check) {
			c.join(c.builtin("Enterprise Admins"), c.group("newsletter", "8", c.user("reader")))
			c.open("reader")
		}},
		{Rule: "who has left the group is not protected", Kind: directory.SimpleAD, run: func(c *check) {
			dn := c.user("leaver")
			c.join(c.builtin("Domain Admins"), dn)
			c.protected(dn, "leaver")
			c.leave(c.builtin("Domain Admins"), dn)
			c.open("leaver")
		}},
		{Rule: "Administrator is not protected", Kind: directory.SimpleAD, run: func(c *check) { c.open("Administrator") }},
		{Rule: "Administrator is not protected under another name", Kind: directory.SimpleAD, run: func(c *check) {
			c.during(c.builtin("Administrator"), "sAMAccountName", "root")
			c.open("root")
		}},
		{Rule: "who is named Administrator without being it is protected", Kind: directory.SimpleAD, run: func(c *check) {
			c.during(c.builtin("Administrator"), "sAMAccountName", "formerly")
			dn := c.user("impostor")
			c.during(dn, "sAMAccountName", "Administrator")
			c.join(c.builtin("Domain Admins"), dn)
			c.protected(dn, "Administrator")
		}},
	}...)
}

// units: on Managed Microsoft AD only who is below the OU of the NetBIOS name.
func units() (scenarios []Scenario) {
	for i, s := range []struct {
		rule   string
		parent func(c *check) string
	}{
		{"directly below the customer's OU", func(c *check) string { return c.Domain.CustomerDN() }},
		{"in its OU Users", func(c *check) string { return "OU=Users," + c.Domain.CustomerDN() }},
		{"in an OU deep below it", func(c *check) string {
			return c.unit("OU=Far," + c.unit("OU=Sales,"+c.Domain.CustomerDN()))
		}},
		{"in an OU below it that is named like a reserved one", func(c *check) string { return c.unit("OU=AWS Reserved," + c.Domain.CustomerDN()) }},
	} {
		name := fmt.Sprintf("inside%d", i)
		scenarios = append(scenarios, Scenario{Rule: "a user " + s.rule + " is not protected", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.userAt("CN="+name+","+s.parent(c), name)
			c.open(name)
		}})
	}
	for i, s := range []struct {
		rule   string
		parent func(c *check) string
	}{
		{"in AWS Reserved", func(c *check) string { return "OU=AWS Reserved," + c.Domain.BaseDN() }},
		{"in AWS Delegated Groups", func(c *check) string { return "OU=AWS Delegated Groups," + c.Domain.BaseDN() }},
		{"in CN=Users of the domain", func(c *check) string { return "CN=Users," + c.Domain.BaseDN() }},
		{"in another OU of the domain", func(c *check) string { return c.unit("OU=Elsewhere," + c.Domain.BaseDN()) }},
		{"in an OU of the customer's name at another place", func(c *check) string {
			return c.unit("OU=" + c.Domain.NetBIOS + "," + c.unit("OU=Nested,"+c.Domain.BaseDN()))
		}},
		{"in an OU whose name begins like the customer's", func(c *check) string { return c.unit("OU=" + c.Domain.NetBIOS + "2," + c.Domain.BaseDN()) }},
		{"in an OU whose name ends like the customer's DN", func(c *check) string {
			return c.unit("OU=x\\,OU\\=" + c.Domain.NetBIOS + "," + c.Domain.BaseDN())
		}},
		{"at the head of the domain", func(c *check) string { return c.Domain.BaseDN() }},
	} {
		name := fmt.Sprintf("outside%d", i)
		scenarios = append(scenarios, Scenario{Rule: "a user " + s.rule + " is protected", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.protected(c.userAt("CN="+name+","+s.parent(c), name), name)
		}})
	}
	return append(scenarios, []Scenario{
		{Rule: "Administrator is protected", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.wraps(c.reset("Administrator", newPassword), directory.ErrProtected)
		}},
		{Rule: "Guest is protected", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.wraps(c.reset("Guest", newPassword), directory.ErrProtected)
		}},
		{Rule: "Admin is not protected", Kind: directory.MicrosoftAD, run: func(c *check) { c.open("Admin") }},
		{Rule: "a delegated administrator is not protected", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.join("CN="+directory.DelegatedAdministrators+",OU=AWS Delegated Groups,"+c.Domain.BaseDN(), c.user("delegate"))
			c.open("delegate")
		}},
		{Rule: "who moves out of the customer's OU is protected, and no longer when back", Kind: directory.MicrosoftAD, run: func(c *check) {
			dn := c.user("commuter")
			c.must(c.rename(dn, "CN=commuter", "CN=Users,"+c.Domain.BaseDN()))
			c.protected(c.builtin("commuter"), "commuter")
			c.must(c.rename(c.builtin("commuter"), "CN=commuter", c.Domain.UsersDN()))
			c.open("commuter")
		}},
	}...)
}

// protected holds that a user with the old password can't be reset and is not touched.
func (c *check) protected(dn, name string) {
	c.unchanged(dn, func() { c.wraps(c.reset(name, newPassword), directory.ErrProtected) })
	c.accepted(name, oldPassword)
}

// open holds that a user can be reset.
func (c *check) open(name string) {
	c.wraps(c.reset(name, newPassword), nil)
	c.accepted(name, newPassword)
}
