package directorytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// modifications: what a Modify does, and what it refuses; all its changes happen or none.
func modifications() []Scenario {
	scenarios := []Scenario{
		{Rule: "of several changes none happens if one can't", run: func(c *check) {
			dn := c.user("atomic")
			c.unchanged(dn, func() {
				err := c.tryModify(dn, func(m *ldap.ModifyRequest) {
					m.Replace("description", []string{"half"})
					m.Replace("unicodePwd", []string{encoded(newPassword)})
					m.Delete("mail", []string{"never there"})
				})
				c.result(err, ldap.LDAPResultNoSuchAttribute)
			})
			c.accepted("atomic", oldPassword)
		}},
		{Rule: "a password that is refused takes the other changes with it", run: func(c *check) {
			dn := c.user("atomic-too")
			c.unchanged(dn, func() {
				err := c.tryModify(dn, func(m *ldap.ModifyRequest) {
					m.Replace("description", []string{"half"})
					m.Replace("unicodePwd", []string{encoded("short")})
				})
				c.result(err, ldap.LDAPResultConstraintViolation)
			})
		}},
		{Rule: "an old value that is named must be there: nobody's change is undone", run: func(c *check) {
			dn := c.user("compared")
			c.set(dn, "userAccountControl", "66048")
			err := c.tryModify(dn, func(m *ldap.ModifyRequest) {
				m.Delete("userAccountControl", []string{"512"})
				m.Add("userAccountControl", []string{"514"})
			})
			c.result(err, ldap.LDAPResultNoSuchAttribute)
			c.equal("userAccountControl", c.get(dn, "userAccountControl"), "66048")
		}},
		{Rule: "an old value that is there is exchanged", run: func(c *check) {
			dn := c.user("exchanged")
			c.must(c.tryModify(dn, func(m *ldap.ModifyRequest) {
				m.Delete("userAccountControl", []string{"512"})
				m.Add("userAccountControl", []string{"514"})
			}))
			c.equal("userAccountControl", c.get(dn, "userAccountControl"), "514")
		}},
		{Rule: "a value keeps its case, and is compared without", run: func(c *check) {
			dn := c.user("cased-value")
			c.set(dn, "description", "Of Note")
			c.equal("description", c.get(dn, "description"), "Of Note")
			c.must(c.tryModify(dn, func(m *ldap.ModifyRequest) { m.Delete("description", []string{"OF NOTE"}) }))
			c.equal("description", c.get(dn, "description"), "")
		}},
		{Rule: "replacing by nothing takes the attribute away, also one that is not there", run: func(c *check) {
			dn := c.user("emptied")
			c.set(dn, "mail", "a@example.com")
			c.set(dn, "mail")
			c.equal("mail", c.get(dn, "mail"), "")
			c.set(dn, "mail")
		}},
		{Rule: "an attribute of several values keeps them all", run: func(c *check) {
			dn := c.user("several")
			c.set(dn, "otherTelephone", "1", "2", "3")
			c.must(c.tryModify(dn, func(m *ldap.ModifyRequest) {
				m.Add("otherTelephone", []string{"4"})
				m.Delete("otherTelephone", []string{"2"})
			}))
			values := c.values(dn, "otherTelephone")
			slices.Sort(values)
			c.equal("otherTelephone", strings.Join(values, " "), "1 3 4")
		}},
		{Rule: "attributes are named in any case of letters", run: func(c *check) {
			dn := c.user("any-case")
			c.set(dn, "DISPLAYNAME", "Any Case")
			c.equal("displayName", c.get(dn, "displayName"), "Any Case")
		}},
		{Rule: "a certificate of bytes comes back as it was", run: func(c *check) {
			dn := c.user("bytes")
			want := string([]byte{0, 1, 0xff, 0xfe, '"', '\\', 0})
			c.set(dn, "thumbnailPhoto", want)
			c.equal("thumbnailPhoto", string(c.read(dn, "thumbnailPhoto").GetRawAttributeValue("thumbnailPhoto")), want)
		}},
		{Rule: "a password in clear text is not taken", run: func(c *check) {
			dn := c.user("unencoded")
			c.unchanged(dn, func() { c.result(c.trySet(dn, "unicodePwd", newPassword), ldap.LDAPResultUnwillingToPerform) })
		}},
		{Rule: "of an entry that does not exist nothing can be changed", run: func(c *check) {
			c.result(c.trySet(c.at("not there"), "description", "x"), ldap.LDAPResultNoSuchObject)
		}},
		{Rule: "an entry that does not exist can't be deleted", run: func(c *check) {
			c.result(c.delete(c.at("not there")), ldap.LDAPResultNoSuchObject)
		}},
		{Rule: "an entry that has children can't be deleted", run: func(c *check) {
			unit := c.unit("OU=Parent," + c.Domain.CustomerDN())
			c.userAt("CN=child,"+unit, "child")
			c.result(c.delete(unit), ldap.LDAPResultNotAllowedOnNonLeaf)
			c.accepted("child", oldPassword)
		}},
		{Rule: "what every domain needs can't be deleted", run: func(c *check) {
			for _, dn := range []string{c.builtin("Administrator"), c.builtin("Domain Admins"), "CN=Administrators,CN=Builtin," + c.Domain.BaseDN()} {
				c.result(c.delete(dn), ldap.LDAPResultUnwillingToPerform)
			}
		}},
	}
	return append(scenarios, refusedModifications()...)
}

func refusedModifications() (scenarios []Scenario) {
	for i, s := range []struct {
		rule      string
		kind      uint
		attribute string
		values    []string
		want      uint16
	}{
		{"deleting a value that is not there", ldap.DeleteAttribute, "description", []string{"absent"}, ldap.LDAPResultNoSuchAttribute},
		{"deleting an attribute that is not there", ldap.DeleteAttribute, "mail", nil, ldap.LDAPResultNoSuchAttribute},
		{"adding a value that is there", ldap.AddAttribute, "description", []string{"present"}, ldap.LDAPResultAttributeOrValueExists},
		{"adding a value that is there in another case of letters", ldap.AddAttribute, "description", []string{"PRESENT"}, ldap.LDAPResultAttributeOrValueExists},
		{"adding a second value where there is one at most", ldap.AddAttribute, "displayName", []string{"second"}, ldap.LDAPResultAttributeOrValueExists},
		{"replacing by two values where there is one at most", ldap.ReplaceAttribute, "displayName", []string{"a", "b"}, ldap.LDAPResultAttributeOrValueExists},
		{"replacing by the same value twice", ldap.ReplaceAttribute, "otherTelephone", []string{"1", "1"}, ldap.LDAPResultAttributeOrValueExists},
		{"of an attribute that does not exist", ldap.ReplaceAttribute, "noSuchAttribute", []string{"x"}, ldap.LDAPResultNoSuchAttribute},
		{"of an attribute that the entry's class does not have", ldap.ReplaceAttribute, "operatingSystem", []string{"x"}, ldap.LDAPResultObjectClassViolation},
		{"of text for a number", ldap.ReplaceAttribute, "countryCode", []string{"x"}, ldap.LDAPResultInvalidAttributeSyntax},
		{"of text for a truth value", ldap.ReplaceAttribute, "showInAdvancedViewOnly", []string{"maybe"}, ldap.LDAPResultInvalidAttributeSyntax},
		{"of an empty value", ldap.ReplaceAttribute, "description", []string{""}, ldap.LDAPResultInvalidAttributeSyntax},
		{"of the SID", ldap.ReplaceAttribute, "objectSid", []string{"S-1-5-21-1-2-3-1234"}, ldap.LDAPResultUnwillingToPerform},
		{"of the GUID", ldap.ReplaceAttribute, "objectGUID", []string{strings.Repeat("x", 16)}, ldap.LDAPResultConstraintViolation},
		{"of memberOf, the other side of a link", ldap.AddAttribute, "memberOf", []string{"{base}"}, ldap.LDAPResultUnwillingToPerform},
		{"of the RDN", ldap.ReplaceAttribute, "cn", []string{"other"}, ldap.LDAPResultNotAllowedOnRDN},
		{"of the name", ldap.ReplaceAttribute, "name", []string{"other"}, ldap.LDAPResultNotAllowedOnRDN},
		{"of pwdLastSet to a time of the client's choice", ldap.ReplaceAttribute, "pwdLastSet", []string{"134399108967890000"}, ldap.LDAPResultOther},
		{"of an account's name to nothing", ldap.ReplaceAttribute, "sAMAccountName", nil, ldap.LDAPResultUnwillingToPerform},
		{"of an account's name to one with forbidden characters", ldap.ReplaceAttribute, "sAMAccountName", []string{"a[b]"}, ldap.LDAPResultConstraintViolation},
		{"of the primary group to one that the user is not in", ldap.ReplaceAttribute, "primaryGroupID", []string{"512"}, ldap.LDAPResultUnwillingToPerform},
		{"of the primary group to one that does not exist", ldap.ReplaceAttribute, "primaryGroupID", []string{"999999"}, ldap.LDAPResultUnwillingToPerform},
	} {
		scenarios = append(scenarios, Scenario{Rule: "no change " + s.rule, run: func(c *check) {
			name := fmt.Sprintf("unmodified%d", i)
			dn := c.add(c.at(name), attributes{"objectClass": {"user"}, "sAMAccountName": {name}, "description": {"present"}, "displayName": {"first"}})
			c.unchanged(dn, func() {
				for i, value := range s.values {
					s.values[i] = strings.ReplaceAll(value, "{base}", "CN=Users,"+c.Domain.BaseDN())
				}
				request := ldap.NewModifyRequest(dn, nil)
				request.Changes = []ldap.Change{{Operation: s.kind, Modification: ldap.PartialAttribute{Type: s.attribute, Vals: s.values}}}
				c.result(c.Conn.Modify(c.Context(), request), s.want)
			})
		}})
	}
	return scenarios
}
