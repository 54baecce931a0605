package directorytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

const everything = "(objectClass=*)"

// family is an OU with an OU in it, and a user in each.
func (c *check) family(name string) string {
	unit := c.unit("OU=" + name + "," + c.Domain.CustomerDN())
	c.add("CN="+name+"-upper,"+unit, attributes{"objectClass": {"user"}, "sAMAccountName": {name + "-upper"}})
	inner := c.unit("OU=" + name + "-inner," + unit)
	c.add("CN="+name+"-lower,"+inner, attributes{"objectClass": {"user"}, "sAMAccountName": {name + "-lower"}})
	return unit
}

// searches: scopes and bases.
func searches() []Scenario {
	return []Scenario{
		{Rule: "scope base is the entry itself", run: func(c *check) {
			c.equal("found", c.found(c.family("base"), ldap.ScopeBaseObject, everything), "base")
		}},
		{Rule: "scope base gives nothing where the filter does not match", run: func(c *check) {
			c.equal("found", c.found(c.Domain.BaseDN(), ldap.ScopeBaseObject, "(objectClass=user)"), "")
		}},
		{Rule: "scope one is the children alone", run: func(c *check) {
			c.equal("found", c.found(c.family("one"), ldap.ScopeSingleLevel, everything), "one-inner one-upper")
		}},
		{Rule: "scope sub is the entry and all below", run: func(c *check) {
			c.equal("found", c.found(c.family("sub"), ldap.ScopeWholeSubtree, everything), "sub sub-inner sub-lower sub-upper")
		}},
		{Rule: "a base is found in any case of letters and with spaces between its parts", run: func(c *check) {
			c.family("spacing")
			base := "ou=SPACING, " + strings.ReplaceAll(strings.ToUpper(c.Domain.CustomerDN()), ",", ", ")
			c.equal("found", c.found(base, ldap.ScopeSingleLevel, everything), "spacing-inner spacing-upper")
		}},
		{Rule: "a base that does not exist is refused", run: func(c *check) {
			_, err := c.trySearch("OU=missing,"+c.Domain.CustomerDN(), ldap.ScopeWholeSubtree, everything)
			c.result(err, ldap.LDAPResultNoSuchObject)
		}},
		{Rule: "a base that is no DN is refused", run: func(c *check) {
			_, err := c.trySearch("this is no DN", ldap.ScopeWholeSubtree, everything)
			c.result(err, ldap.LDAPResultInvalidDNSyntax)
		}},
		{Rule: "a base may be a GUID or a SID", run: func(c *check) {
			dn := c.user("based")
			guid := c.read(dn, "objectGUID").GetRawAttributeValue("objectGUID")
			dashed := fmt.Sprintf("<GUID=%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x>", guid[3], guid[2], guid[1], guid[0], guid[5], guid[4], guid[7], guid[6], guid[8:10], guid[10:])
			for _, base := range []string{fmt.Sprintf("<GUID=%x>", guid), dashed, "<SID=" + c.sid(dn).String() + ">"} {
				c.equal(base, c.found(base, ldap.ScopeBaseObject, everything), "based")
			}
		}},
		{Rule: "the rootDSE names the domain", run: func(c *check) {
			c.equal("defaultNamingContext", c.get("", "defaultNamingContext"), c.Domain.BaseDN())
		}},
	}
}

// selections: which attributes come, and how many entries.
func selections() []Scenario {
	return []Scenario{
		{Rule: "a DN comes as the entries were written, whatever the search's case of letters", run: func(c *check) {
			dn := c.user("As Written")
			entries, err := c.trySearch(strings.ToUpper(c.Domain.UsersDN()), ldap.ScopeWholeSubtree, "(cn=as written)", "cn")
			c.must(err)
			if len(entries) != 1 || entries[0].DN != dn {
				c.Errorf("%v", entries)
			}
		}},
		{Rule: `attributes "1.1": none`, run: func(c *check) {
			if got := c.read(c.user("bare-dn"), "1.1").Attributes; len(got) > 0 {
				c.Errorf("%v", got)
			}
		}},
		{Rule: "attributes by name: these alone, in any case of letters", run: func(c *check) {
			entry := c.read(c.user("chosen"), "SAMACCOUNTNAME", "cn", "mail", "noSuchAttribute")
			if len(entry.Attributes) != 2 || entry.GetEqualFoldAttributeValue("sAMAccountName") != "chosen" || entry.GetAttributeValue("cn") != "chosen" {
				c.Errorf("%v", entry.Attributes)
			}
		}},
		{Rule: `attributes "*": all that are stored, and with a name beside it that too`, run: func(c *check) {
			dn := c.user("starred")
			entry := c.read(dn, "*", "canonicalName")
			for _, attribute := range []string{"cn", "sAMAccountName", "objectSid", "objectGUID", "userAccountControl", "whenCreated", "canonicalName"} {
				if entry.GetAttributeValue(attribute) == "" {
					c.Errorf("%s is missing", attribute)
				}
			}
			if c.read(dn, "*").GetAttributeValue("canonicalName") != "" {
				c.Errorf("canonicalName comes unasked")
			}
		}},
		{Rule: "types only: names without values", run: func(c *check) {
			request := ldap.NewSearchRequest(c.user("typesonly"), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, true, everything, []string{"cn"}, nil)
			result, err := c.Conn.Search(c.Context(), request)
			c.must(err)
			if a := result.Entries[0].Attributes; len(a) != 1 || a[0].Name != "cn" || len(a[0].Values) > 0 {
				c.Errorf("%d attributes, the first %+v", len(a), *a[0])
			}
		}},
		{Rule: "canonicalName is the path from the domain", run: func(c *check) {
			unit := c.unit("OU=Canon," + c.Domain.CustomerDN())
			dn := c.add("CN=A Name,"+unit, attributes{"objectClass": {"user"}, "sAMAccountName": {"canonical"}})
			path := []string{"A Name", "Canon"}
			if c.Domain.Kind == directory.MicrosoftAD {
				path = append(path, c.Domain.NetBIOS)
			}
			slices.Reverse(path)
			c.equal("canonicalName", c.get(dn, "canonicalName"), c.Domain.Name+"/"+strings.Join(path, "/"))
		}},
		{Rule: "a size limit cuts the search off and says so, with what was found", run: func(c *check) {
			unit := c.family("limited")
			result, err := c.Conn.Search(c.Context(), ldap.NewSearchRequest(unit, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false, everything, []string{"cn"}, nil))
			c.result(err, ldap.LDAPResultSizeLimitExceeded)
			if len(result.Entries) != 2 {
				c.Errorf("%d entries", len(result.Entries))
			}
		}},
		{Rule: "a size limit that is just enough is no refusal", run: func(c *check) {
			unit := c.family("enough")
			result, err := c.Conn.Search(c.Context(), ldap.NewSearchRequest(unit, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 4, 0, false, everything, []string{"cn"}, nil))
			c.must(err)
			if len(result.Entries) != 4 {
				c.Errorf("%d entries", len(result.Entries))
			}
		}},
		{Rule: "what is written is there for the next search", run: func(c *check) {
			dn := c.account("immediate")
			for i := range 10 {
				c.set(dn, "displayName", fmt.Sprintf("round %d", i))
				c.equal("found", c.found(c.Domain.BaseDN(), ldap.ScopeWholeSubtree, fmt.Sprintf("(displayName=round %d)", i)), "immediate")
			}
		}},
	}
}
