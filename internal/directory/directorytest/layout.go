package directorytest

import (
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// layouts: what AWS hands over (AWS Administration Guide, "What gets created").
func layouts() []Scenario {
	return []Scenario{
		{Rule: "the domain has AD's containers", run: func(c *check) {
			for _, rdn := range []string{"CN=Users", "CN=Computers", "CN=System", "CN=Builtin", "OU=Domain Controllers", "CN=ForeignSecurityPrincipals", "CN=Managed Service Accounts"} {
				c.read(rdn+","+c.Domain.BaseDN(), "cn")
			}
		}},
		{Rule: "the domain's SID is that of the directory", run: func(c *check) {
			if got := c.sid(c.Domain.BaseDN()); got != c.Domain.SID {
				c.Errorf("%v, want %v", got, c.Domain.SID)
			}
		}},
		{Rule: "Administrator is in the domain's highest groups", run: func(c *check) {
			for _, group := range []string{"Domain Admins", "Enterprise Admins", "Schema Admins"} {
				if !c.has(c.builtin(group), "member", c.builtin("Administrator")) {
					c.Errorf("not in %s", group)
				}
			}
		}},
		{Rule: "the highest groups are administrators of the domain", run: func(c *check) {
			for _, group := range []string{"Domain Admins", "Enterprise Admins"} {
				if !c.has("CN=Administrators,CN=Builtin,"+c.Domain.BaseDN(), "member", c.builtin(group)) {
					c.Errorf("%s is not", group)
				}
			}
		}},
		{Rule: "krbtgt is disabled", run: func(c *check) { c.equal("userAccountControl", c.get(c.builtin("krbtgt"), "userAccountControl"), "514") }},
		{Rule: "the administrator's account is enabled", run: func(c *check) {
			user, err := c.find(c.Domain.Administrator())
			c.must(err)
			if user.Control&directory.AccountDisable != 0 {
				c.Errorf("userAccountControl is %d", user.Control)
			}
		}},
		{Rule: "laying out again changes nothing but the administrator's password", run: func(c *check) {
			dn := c.user("laid-out")
			before := c.found(c.Domain.BaseDN(), ldap.ScopeWholeSubtree, "(|(objectClass=organizationalUnit)(objectClass=group))")
			c.unchanged(dn, func() { c.must(directory.LayOut(c.Context(), c.Conn, c.Domain, []byte(newPassword))) })
			c.equal("OUs and groups", c.found(c.Domain.BaseDN(), ldap.ScopeWholeSubtree, "(|(objectClass=organizationalUnit)(objectClass=group))"), before)
			c.accepted(c.Domain.Administrator(), newPassword)
		}},
		{Rule: "the customer has an OU with Users and Computers", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.equal("OUs", c.found(c.Domain.CustomerDN(), ldap.ScopeSingleLevel, "(|(ou=Users)(ou=Computers))"), "Computers Users")
		}},
		{Rule: "AWS has its OUs and its delegated groups", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.equal("OUs", c.found(c.Domain.BaseDN(), ldap.ScopeSingleLevel, "(ou=AWS*)"), "AWS Delegated Groups AWS Reserved")
			groups, err := c.trySearch("OU=AWS Delegated Groups,"+c.Domain.BaseDN(), ldap.ScopeSingleLevel, "(&(objectClass=group)(cn=AWS Delegated*))", "groupType")
			c.must(err)
			if len(groups) < 20 {
				c.Errorf("%d groups", len(groups))
			}
			for _, group := range groups {
				c.equal(group.DN, group.GetAttributeValue("groupType"), domainLocalGroup)
			}
		}},
		{Rule: "Admin is a delegated administrator, and no domain administrator", Kind: directory.MicrosoftAD, run: func(c *check) {
			admin := "CN=Admin,OU=Users," + c.Domain.CustomerDN()
			c.tokens(admin, []string{"CN=" + directory.DelegatedAdministrators + ",OU=AWS Delegated Groups," + c.Domain.BaseDN()}, []string{c.builtin("Domain Admins"), "CN=Administrators,CN=Builtin," + c.Domain.BaseDN()})
		}},
		{Rule: "an entry that is there is ensured, and left as it is", run: func(c *check) {
			dn := c.user("ensured")
			c.unchanged(dn, func() {
				c.must(directory.Ensure(c.Context(), c.Conn, dn, attributes{"objectClass": {"user"}, "sAMAccountName": {"ensured"}, "description": {"again"}}))
			})
		}},
		{Rule: "who is a member may join again", run: func(c *check) {
			dn := c.user("joined")
			group := c.group("joining", globalGroup, dn)
			c.join(group, dn)
			c.equal("members", fmt.Sprint(len(c.values(group, "member"))), "1")
		}},
	}
}

// oddCommonNames: what may stand in a CN, which is escaped in DNs.
func oddCommonNames() (scenarios []Scenario) {
	for i, name := range []string{`Doe, Jane`, `#leading`, ` before`, `plus+sign`, `a=b`, `"quoted"`, `back\slash`, `<angle>`, `semi;colon`, `star*`, `(paren)`, `sla/sh`, `über`, `日本`, `three   spaces`, "tab\there", `\2C`} {
		scenarios = append(scenarios, Scenario{Rule: fmt.Sprintf("the common name %q is kept, found and reset", name), run: func(c *check) {
			account := fmt.Sprintf("odd-cn-%d", i)
			dn := c.userAt(c.at(name), account)
			c.equal("cn", c.get(dn, "cn"), name)
			user, err := c.find(account)
			c.must(err)
			c.equal("the name of the DN that is found", c.get(user.DN, "name"), name)
			c.equal("by filter", c.found(c.Domain.UsersDN(), ldap.ScopeSingleLevel, "(cn="+ldap.EscapeFilter(name)+")"), name)
			c.must(c.reset(account, newPassword))
			c.accepted(account, newPassword)
		}})
	}
	return scenarios
}
