package directorytest

import (
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// renames: an account keeps its password through a new name and a new place, and can be reset there.
func renames() []Scenario {
	target := func(c *check, name string) string { return c.unit("OU=" + name + "," + c.Domain.CustomerDN()) }
	return []Scenario{
		{Rule: "a renamed user keeps the password and can be reset", run: func(c *check) {
			c.must(c.rename(c.user("mover"), `CN=Doe\, Moved`, ""))
			c.accepted("mover", oldPassword)
			c.must(c.reset("mover", newPassword))
			c.accepted("mover", newPassword)
			c.equal("cn", c.get(`CN=Doe\, Moved,`+c.Domain.UsersDN(), "cn"), "Doe, Moved")
		}},
		{Rule: "a moved user keeps the password and can be reset", run: func(c *check) {
			unit := target(c, "Movers")
			c.must(c.rename(c.user("moved"), "CN=moved", unit))
			c.accepted("moved", oldPassword)
			c.must(c.reset("moved", newPassword))
			c.accepted("moved", newPassword)
			c.equal("the DN", c.get("CN=moved,"+unit, "distinguishedName"), "CN=moved,"+unit)
		}},
		{Rule: "a user is renamed and moved at once", run: func(c *check) {
			unit := target(c, "Both")
			c.must(c.rename(c.user("both-ways"), "CN=Other Ways", unit))
			c.equal("name", c.get("CN=Other Ways,"+unit, "name"), "Other Ways")
		}},
		{Rule: "a new account name keeps the password and can be reset", run: func(c *check) {
			c.set(c.user("nicknamed"), "sAMAccountName", "renamed")
			c.accepted("renamed", oldPassword)
			c.must(c.reset("renamed", newPassword))
			c.accepted("renamed", newPassword)
		}},
		{Rule: "a rename leaves the account's name", run: func(c *check) {
			c.must(c.rename(c.user("unaffected"), "CN=affected", ""))
			c.equal("sAMAccountName", c.get(c.at("affected"), "sAMAccountName"), "unaffected")
		}},
		{Rule: "a rename that changes only the case of letters shows", run: func(c *check) {
			c.must(c.rename(c.user("lettered"), "CN=LETTERED", ""))
			c.equal("name", c.get(c.at("lettered"), "name"), "LETTERED")
		}},
		{Rule: "the former DN is gone and free", run: func(c *check) {
			dn := c.user("vacated")
			c.must(c.rename(dn, "CN=vacated elsewhere", ""))
			_, err := c.trySearch(dn, ldap.ScopeBaseObject, "(objectClass=*)")
			c.result(err, ldap.LDAPResultNoSuchObject)
			c.userAt(dn, "vacated2")
		}},
		{Rule: "no entry is renamed onto another", run: func(c *check) {
			dn := c.user("mover-onto")
			c.user("occupied")
			c.result(c.rename(dn, "CN=Occupied", ""), ldap.LDAPResultEntryAlreadyExists)
			c.accepted("occupied", oldPassword)
		}},
		{Rule: "no entry is moved onto another", run: func(c *check) {
			unit := target(c, "Onto")
			c.userAt("CN=same,"+unit, "same-there")
			dn := c.userAt(c.at("same"), "same-here")
			c.result(c.rename(dn, "CN=same", unit), ldap.LDAPResultEntryAlreadyExists)
		}},
		{Rule: "no entry is moved below one that does not exist", run: func(c *check) {
			dn := c.user("homeless")
			err := c.rename(dn, "CN=homeless", "OU=missing,"+c.Domain.CustomerDN())
			c.result(err, ldap.LDAPResultNoSuchObject)
			c.accepted("homeless", oldPassword)
		}},
		{Rule: "no entry is moved below itself", run: func(c *check) {
			unit := target(c, "Circle")
			inner := c.unit("OU=Inner," + unit)
			c.result(c.rename(unit, "OU=Circle", inner), ldap.LDAPResultUnwillingToPerform)
			c.result(c.rename(unit, "OU=Circle", unit), ldap.LDAPResultUnwillingToPerform)
		}},
		{Rule: "no user is moved below a user", run: func(c *check) {
			c.result(c.rename(c.user("rider"), "CN=rider", c.user("carrier")), ldap.LDAPResultNamingViolation)
		}},
		{Rule: "no entry that does not exist is renamed", run: func(c *check) {
			c.result(c.rename(c.at("not there"), "CN=there", ""), ldap.LDAPResultNoSuchObject)
		}},
		{Rule: "an entry is named by its class's attribute only", run: func(c *check) {
			c.result(c.rename(c.user("misnamed"), "OU=misnamed", ""), ldap.LDAPResultUnwillingToPerform)
		}},
		{Rule: "the former name can't be kept beside the new one", run: func(c *check) {
			dn := c.user("both-names")
			c.result(c.Conn.ModifyDN(c.Context(), ldap.NewModifyDNRequest(dn, "CN=other-names", false, "")), ldap.LDAPResultUnwillingToPerform)
		}},
		{Rule: "what every domain needs can't be renamed", run: func(c *check) {
			for _, rdn := range []string{"CN=Users", "CN=Builtin"} {
				c.result(c.rename(rdn+","+c.Domain.BaseDN(), "CN=else", ""), ldap.LDAPResultUnwillingToPerform)
			}
		}},
		{Rule: "who is below a renamed OU comes along", run: func(c *check) {
			unit := target(c, "Family")
			c.userAt("CN=offspring,"+c.unit("OU=Branch,"+unit), "offspring")
			c.must(c.rename(unit, "OU=Clan", ""))
			dn := "CN=offspring,OU=Branch,OU=Clan," + c.Domain.CustomerDN()
			c.equal("the DN", c.get(dn, "distinguishedName"), dn)
			user, err := c.find("offspring")
			c.must(err)
			c.equal("the DN that is found", user.DN, dn)
			c.must(c.reset("offspring", newPassword))
			c.accepted("offspring", newPassword)
		}},
		{Rule: "who is below a moved OU comes along", run: func(c *check) {
			unit, home := target(c, "Wagon"), target(c, "Home")
			for i := range 5 {
				c.add(fmt.Sprintf("CN=traveller%d,%s", i, unit), attributes{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("traveller%d", i)}})
			}
			c.must(c.rename(unit, "OU=Wagon", home))
			c.equal("who is there", c.found("OU=Wagon,"+home, ldap.ScopeSingleLevel, "(objectClass=user)"), "traveller0 traveller1 traveller2 traveller3 traveller4")
		}},
		{Rule: "links follow a rename on both sides", run: func(c *check) {
			unit := target(c, "Linkers")
			user := c.user("link-user")
			group := c.group("link-group", globalGroup, user)
			c.must(c.rename(user, `CN=link user\, renamed`, unit))
			c.must(c.rename(group, "CN=link group renamed", unit))
			user, group = "CN=link user\\, renamed,"+unit, "CN=link group renamed,"+unit
			if !c.has(user, "memberOf", group) || !c.has(group, "member", user) {
				c.Errorf("member %q, memberOf %q", c.values(group, "member"), c.values(user, "memberOf"))
			}
		}},
	}
}
