package directorytest

import (
	"fmt"
	"maps"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

type attributes = map[string][]string

// additions: what an Add makes of what it is given, and what it refuses.
func additions() []Scenario {
	scenarios := []Scenario{
		{Rule: "a user has what every user has", run: func(c *check) {
			dn := c.account("Plain User")
			for attribute, want := range map[string]string{
				"userAccountControl": "546", "primaryGroupID": "513", "sAMAccountType": "805306368", "pwdLastSet": "0", "badPwdCount": "0",
				"accountExpires": "9223372036854775807", "cn": "Plain User", "name": "Plain User", "instanceType": "4", "distinguishedName": dn,
				"objectCategory": "CN=Person,CN=Schema,CN=Configuration," + c.Domain.BaseDN(), "objectClass": "top", "codePage": "0", "countryCode": "0",
			} {
				c.equal(attribute, c.get(dn, attribute), want)
			}
			c.equal("objectClass", strings.Join(c.values(dn, "objectClass"), " "), "top person organizationalPerson user")
		}},
		{Rule: "a group is global and for security unless it says otherwise", run: func(c *check) {
			dn := c.add(c.at("Plain Group"), attributes{"objectClass": {"group"}, "sAMAccountName": {"plain-group"}})
			c.equal("groupType", c.get(dn, "groupType"), globalGroup)
			c.equal("sAMAccountType", c.get(dn, "sAMAccountType"), "268435456")
		}},
		{Rule: "a computer's account has its own type and primary group", run: func(c *check) {
			dn := c.add(c.at("PC9"), attributes{"objectClass": {"computer"}, "sAMAccountName": {"PC9$"}, "userAccountControl": {"4096"}})
			c.equal("sAMAccountType", c.get(dn, "sAMAccountType"), "805306369")
			c.equal("primaryGroupID", c.get(dn, "primaryGroupID"), "515")
			c.equal("objectClass", strings.Join(c.values(dn, "objectClass"), " "), "top person organizationalPerson user computer")
		}},
		{Rule: "an account without sAMAccountName gets one", run: func(c *check) {
			dn := c.add(c.at("Nameless"), attributes{"objectClass": {"user"}})
			if c.get(dn, "sAMAccountName") == "" {
				c.Errorf("it has none")
			}
		}},
		{Rule: "a password and its flags in the Add make an account that works at once", run: func(c *check) {
			c.user("at-once")
			c.accepted("at-once", oldPassword)
		}},
		{Rule: "a password that is too short makes no account", run: func(c *check) {
			err := c.tryAdd(c.at("not-made"), attributes{"objectClass": {"user"}, "sAMAccountName": {"not-made"}, "unicodePwd": {encoded("short")}, "userAccountControl": {"512"}})
			c.result(err, ldap.LDAPResultConstraintViolation)
			c.nobody("not-made")
		}},
		{Rule: "an account without a password can't be enabled", run: func(c *check) {
			dn := c.account("passwordless")
			c.result(c.trySet(dn, "userAccountControl", "512"), ldap.LDAPResultUnwillingToPerform)
		}},
		{Rule: "without a userAccountControl kind an account is a normal one", run: func(c *check) {
			dn := c.user("kindless")
			c.set(dn, "userAccountControl", "2")
			c.equal("userAccountControl", c.get(dn, "userAccountControl"), "514")
		}},
		{Rule: "a name is escaped in the DN and plain in the attribute", run: func(c *check) {
			const name = `Doe, Jane "JD" + #1; <x>\y`
			dn := c.userAt(c.at(name), "escaped-dn")
			c.equal("cn", c.get(dn, "cn"), name)
			if got := c.get(dn, "distinguishedName"); !sameDN(got, dn) {
				c.Errorf("the DN is %s, want %s", got, dn)
			}
			c.must(c.reset("escaped-dn", newPassword))
		}},
		{Rule: "a name of other scripts is kept as it is", run: func(c *check) {
			for i, name := range []string{"漢字 かな", "Žluťoučký kůň", "😀 Smile", "مرحبا"} {
				dn := c.userAt(c.at(name), fmt.Sprintf("script%d", i))
				c.equal("cn", c.get(dn, "cn"), name)
			}
		}},
		{Rule: "a name of 64 characters is good", run: func(c *check) { c.userAt(c.at(strings.Repeat("x", 64)), "long-cn") }},
		{Rule: "two names that differ by case only are one", run: func(c *check) {
			c.user("Twice")
			c.result(c.tryAdd(c.at("TWICE"), attributes{"objectClass": {"user"}, "sAMAccountName": {"other"}}), ldap.LDAPResultEntryAlreadyExists)
		}},
		{Rule: "a deleted account's names are free again", run: func(c *check) {
			c.must(c.delete(c.user("phoenix")))
			c.user("phoenix")
			c.accepted("phoenix", oldPassword)
		}},
		{Rule: "an account's name belongs to one entry, in any case of letters", run: func(c *check) {
			c.user("only")
			c.result(c.tryAdd(c.at("another"), attributes{"objectClass": {"user"}, "sAMAccountName": {"ONLY"}}), ldap.LDAPResultEntryAlreadyExists)
			c.result(c.tryAdd(c.at("another"), attributes{"objectClass": {"group"}, "sAMAccountName": {"only"}}), ldap.LDAPResultEntryAlreadyExists)
			c.result(c.trySet(c.user("another"), "sAMAccountName", "Only"), ldap.LDAPResultEntryAlreadyExists)
		}},
		{Rule: "a userPrincipalName belongs to one entry, in any case of letters", run: func(c *check) {
			c.set(c.user("upn-one"), "userPrincipalName", "same@"+c.Domain.Name)
			dn := c.user("upn-two")
			c.result(c.trySet(dn, "userPrincipalName", "SAME@"+c.Domain.Name), ldap.LDAPResultConstraintViolation)
			err := c.tryAdd(c.at("upn-three"), attributes{"objectClass": {"user"}, "sAMAccountName": {"upn-three"}, "userPrincipalName": {"same@" + c.Domain.Name}})
			c.result(err, ldap.LDAPResultConstraintViolation)
			c.set(dn, "userPrincipalName", "different@"+c.Domain.Name)
		}},
	}
	return append(scenarios, refusedAdditions()...)
}

func refusedAdditions() (scenarios []Scenario) {
	user := func(more attributes) attributes {
		all := attributes{"objectClass": {"user"}}
		maps.Copy(all, more)
		return all
	}
	users := func(c *check) string { return c.Domain.UsersDN() }
	for i, s := range []struct {
		rule   string
		parent func(c *check) string
		rdn    string // "": by CN
		give   attributes
		want   uint16
	}{
		{"below an entry that does not exist", func(c *check) string { return "OU=missing," + c.Domain.CustomerDN() }, "", user(nil), ldap.LDAPResultNoSuchObject},
		{"outside the domain", func(c *check) string { return "DC=elsewhere,DC=example" }, "", user(nil), ldap.LDAPResultNoSuchObject},
		{"that exists", func(c *check) string { c.user("existing"); return users(c) }, "CN=existing", user(nil), ldap.LDAPResultEntryAlreadyExists},
		{"below a user, who has no children", func(c *check) string { return c.user("leaf") }, "", user(nil), ldap.LDAPResultNamingViolation},
		{"of a class that does not exist", users, "", attributes{"objectClass": {"noSuchClass"}}, ldap.LDAPResultNoSuchAttribute},
		{"without a class", users, "", attributes{"description": {"x"}}, ldap.LDAPResultObjectClassViolation},
		{"of an abstract class alone", users, "", attributes{"objectClass": {"top"}}, ldap.LDAPResultUnwillingToPerform},
		{"with an attribute that does not exist", users, "", user(attributes{"noSuchAttribute": {"x"}}), ldap.LDAPResultNoSuchAttribute},
		{"with two values of an attribute that has one", users, "", user(attributes{"displayName": {"a", "b"}}), ldap.LDAPResultConstraintViolation},
		{"with the same value twice", users, "", user(attributes{"otherTelephone": {"1", "1"}}), ldap.LDAPResultAttributeOrValueExists},
		{"with text for a number", users, "", user(attributes{"countryCode": {"x"}}), ldap.LDAPResultInvalidAttributeSyntax},
		{"with an empty value", users, "", user(attributes{"description": {""}}), ldap.LDAPResultInvalidAttributeSyntax},
		{"of a group's attribute at a user", users, "", user(attributes{"groupType": {globalGroup}}), ldap.LDAPResultObjectClassViolation},
		{"named by an attribute that its class is not named by", users, "OU=refused", user(nil), ldap.LDAPResultNamingViolation},
		{"with a SID of the client's choice", users, "", user(attributes{"objectSid": {"S-1-5-21-1-2-3-9999"}}), ldap.LDAPResultConstraintViolation},
		{"of a user with a computer's flags", users, "", user(attributes{"userAccountControl": {"4096"}}), ldap.LDAPResultObjectClassViolation},
		{"with a character that an account's name can't have", users, "", user(attributes{"sAMAccountName": {"a\"b"}}), ldap.LDAPResultConstraintViolation},
	} {
		scenarios = append(scenarios, Scenario{Rule: "no entry is made " + s.rule, run: func(c *check) {
			rdn := s.rdn
			if rdn == "" {
				rdn = fmt.Sprintf("CN=refused%d", i)
			}
			parent := s.parent(c)
			err := c.tryAdd(rdn+","+parent, s.give)
			c.result(err, s.want)
			if err == nil {
				c.must(c.delete(rdn + "," + parent))
			}
		}})
	}
	return scenarios
}
