package directorytest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// schemas: what the directory says of its schema, and how it holds entries against it.
func schemas() []Scenario {
	configuration := func(c *check) string { return "CN=Configuration," + c.Domain.BaseDN() }
	aggregate := func(c *check) string { return "CN=Aggregate,CN=Schema," + configuration(c) }
	return []Scenario{
		{Rule: "the rootDSE says where the schema is", run: func(c *check) {
			c.equal("subschemaSubentry", c.get("", "subschemaSubentry"), aggregate(c))
			c.equal("schemaNamingContext", c.get("", "schemaNamingContext"), "CN=Schema,"+configuration(c))
			c.equal("configurationNamingContext", c.get("", "configurationNamingContext"), configuration(c))
		}},
		{Rule: "the subschema entry has attribute types and classes", run: func(c *check) {
			entries, err := c.trySearch(aggregate(c), ldap.ScopeBaseObject, "(objectClass=subschema)", "attributeTypes", "objectClasses")
			c.must(err)
			if len(entries) != 1 {
				c.Fatalf("%d entries", len(entries))
			}
			for attribute, wants := range map[string][]string{
				"attributeTypes": {"( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' SINGLE-VALUE )"},
				"objectClasses":  {"( 1.2.840.113556.1.5.67 NAME 'domainDNS' SUP domain STRUCTURAL "},
			} {
				for _, want := range wants {
					if !slices.ContainsFunc(entries[0].GetAttributeValues(attribute), func(v string) bool { return strings.HasPrefix(v, want) }) {
						c.Errorf("%s of %d values has no %s", attribute, len(entries[0].GetAttributeValues(attribute)), want)
					}
				}
			}
		}},
		{Rule: "attributes and classes are entries of the schema", run: func(c *check) {
			entries, err := c.trySearch("CN=Schema,"+configuration(c), ldap.ScopeSingleLevel, "(&(objectClass=attributeSchema)(lDAPDisplayName=unicodePwd))", "attributeID", "schemaIDGUID", "isSingleValued")
			c.must(err)
			if len(entries) != 1 {
				c.Fatalf("%d entries", len(entries))
			}
			c.equal("attributeID", entries[0].GetAttributeValue("attributeID"), "1.2.840.113556.1.4.90")
			c.equal("schemaIDGUID", fmt.Sprintf("%x", entries[0].GetRawAttributeValue("schemaIDGUID")), "e17996bfe60dd011a28500aa003049e2")
			c.equal("classes", c.found("CN=Schema,"+configuration(c), ldap.ScopeSingleLevel, "(&(objectClass=classSchema)(lDAPDisplayName=user))"), "User")
		}},
		{Rule: "the partitions name the domain", run: func(c *check) {
			entries, err := c.trySearch("CN=Partitions,"+configuration(c), ldap.ScopeSingleLevel, "(nETBIOSName=*)", "nCName", "dnsRoot", "nETBIOSName")
			c.must(err)
			if len(entries) != 1 {
				c.Fatalf("%d entries", len(entries))
			}
			c.equal("nCName", entries[0].GetAttributeValue("nCName"), c.Domain.BaseDN())
			c.equal("nETBIOSName", entries[0].GetAttributeValue("nETBIOSName"), c.Domain.NetBIOS)
		}},
		{Rule: "a search of the domain does not go on into the schema", run: func(c *check) {
			c.equal("found", c.found(c.Domain.BaseDN(), ldap.ScopeWholeSubtree, "(objectClass=attributeSchema)"), "")
		}},
		{Rule: "attributes may be named by their OIDs", run: func(c *check) {
			dn := c.user("by-oid")
			c.set(dn, "2.5.4.4", "Oidsen")
			c.equal("sn", c.get(dn, "sn"), "Oidsen")
			c.equal("found", c.found(c.Domain.UsersDN(), ldap.ScopeSingleLevel, "(2.5.4.4=oidsen)"), "by-oid")
		}},
		{Rule: "a value that is longer than the schema allows is refused", run: func(c *check) {
			dn := c.user("too-long")
			c.unchanged(dn, func() {
				c.result(c.trySet(dn, "givenName", strings.Repeat("x", 65)), ldap.LDAPResultConstraintViolation)
			})
			c.set(dn, "givenName", strings.Repeat("x", 64))
		}},
		{Rule: "a number beyond the schema's range is refused", run: func(c *check) {
			dn := c.user("out-of-range")
			c.unchanged(dn, func() { c.result(c.trySet(dn, "countryCode", "65536"), ldap.LDAPResultConstraintViolation) })
		}},
		{Rule: "an attribute of the whole schema can be set, in each syntax", run: func(c *check) {
			dn, other := c.user("every-syntax"), c.user("every-other")
			for attribute, value := range map[string]string{
				"seeAlso": other, "secretary": other, "employeeNumber": "4711", "jpegPhoto": "\xff\xd8\xff", "uidNumber": "10001", "unixHomeDirectory": "/home/e",
				"msDS-cloudExtensionAttribute20": "cloud", "roomNumber": "12", "shadowMax": "99999", "localeID": "1033", "msTSAllowLogon": "TRUE", "houseIdentifier": "7b",
			} {
				if err := c.trySet(dn, attribute, value); err != nil {
					c.Errorf("%s: %v", attribute, err)
					continue
				}
				c.equal(attribute, c.get(dn, attribute), value)
			}
		}},
		{Rule: "an auxiliary class brings its attributes, and shows", run: func(c *check) {
			unit := c.unit("OU=Auxiliary," + c.Domain.CustomerDN())
			c.result(c.trySet(unit, "uidNumber", "5"), ldap.LDAPResultObjectClassViolation)
			c.must(c.tryModify(unit, func(m *ldap.ModifyRequest) { m.Add("objectClass", []string{"posixAccount"}) }))
			c.set(unit, "uidNumber", "5")
			if got := c.values(unit, "objectClass"); !slices.Contains(got, "posixAccount") || got[len(got)-1] != "organizationalUnit" {
				c.Errorf("objectClass is %q", got)
			}
		}},
	}
}

// constructions: attributes that a directory makes when it is asked (MS-ADTS section 3.1.1.4.5).
func constructions() []Scenario {
	return []Scenario{
		{Rule: "msDS-PrincipalName is the name with the domain's", run: func(c *check) {
			c.equal("msDS-PrincipalName", c.get(c.user("principal-name"), "msDS-PrincipalName"), c.Domain.NetBIOS+`\principal-name`)
		}},
		{Rule: "parentGUID is the parent's", run: func(c *check) {
			dn := c.user("parented")
			got, want := c.read(dn, "parentGUID").GetRawAttributeValue("parentGUID"), c.read(c.Domain.UsersDN(), "objectGUID").GetRawAttributeValue("objectGUID")
			c.equal("parentGUID", string(got), string(want))
		}},
		{Rule: "primaryGroupToken is a group's relative identifier", run: func(c *check) {
			group := c.group("token-of", globalGroup)
			c.equal("primaryGroupToken", c.get(group, "primaryGroupToken"), fmt.Sprint(c.sid(group).RID()))
		}},
		{Rule: "subSchemaSubEntry is every entry's", run: func(c *check) {
			c.equal("subSchemaSubEntry", c.get(c.user("schemed"), "subSchemaSubEntry"), "CN=Aggregate,CN=Schema,CN=Configuration,"+c.Domain.BaseDN())
		}},
		{Rule: "allowedAttributes are those of the class, allowedChildClasses those that may be below", run: func(c *check) {
			if allowed := c.values(c.user("allowed"), "allowedAttributes"); !slices.Contains(allowed, "mail") || !slices.Contains(allowed, "unicodePwd") || slices.Contains(allowed, "groupType") {
				c.Errorf("%q", allowed)
			}
			if allowed := c.values(c.Domain.UsersDN(), "allowedChildClasses"); !slices.Contains(allowed, "user") || !slices.Contains(allowed, "group") || slices.Contains(allowed, "domainDNS") {
				c.Errorf("%q", allowed)
			}
		}},
		{Rule: "an administrator may write what the class allows", run: func(c *check) {
			if allowed := c.values(c.user("effective"), "allowedAttributesEffective"); !slices.Contains(allowed, "mail") || slices.Contains(allowed, "objectGUID") {
				c.Errorf("%q", allowed)
			}
		}},
		{Rule: "msDS-User-Account-Control-Computed says locked out, and expired", run: func(c *check) {
			dn := c.user("computed")
			c.equal("at first", c.get(dn, "msDS-User-Account-Control-Computed"), "0")
			c.set(dn, "pwdLastSet", "0")
			c.equal("must change", c.get(dn, "msDS-User-Account-Control-Computed"), strconv.Itoa(int(directory.PasswordExpired)))
			c.equal("locked", c.get(c.locked("computed-locked"), "msDS-User-Account-Control-Computed"), strconv.Itoa(int(directory.LockedOut)))
		}},
		{Rule: "msDS-UserPasswordExpiryTimeComputed is when the password ends", run: func(c *check) {
			dn := c.user("expiring")
			set, end := directory.ParseFileTime(c.get(dn, "pwdLastSet")), directory.ParseFileTime(c.get(dn, "msDS-UserPasswordExpiryTimeComputed"))
			if age := end.Sub(set); age != 42*24*time.Hour {
				c.Errorf("the password lasts %v", age)
			}
			c.set(dn, "userAccountControl", "66048")
			c.equal("of one that stays good", c.get(dn, "msDS-UserPasswordExpiryTimeComputed"), strconv.FormatInt(directory.Never, 10))
			c.set(dn, "userAccountControl", "512")
			c.set(dn, "pwdLastSet", "0")
			c.equal("of one that must be changed", c.get(dn, "msDS-UserPasswordExpiryTimeComputed"), "0")
		}},
		{Rule: "tokenGroupsGlobalAndUniversal leaves domain local groups out", run: func(c *check) {
			dn := c.user("global-tokens")
			global := c.group("global-tokens-g", globalGroup, dn)
			local := c.group("global-tokens-l", domainLocalGroup, dn)
			groups := c.read(dn, "tokenGroupsGlobalAndUniversal").GetRawAttributeValues("tokenGroupsGlobalAndUniversal")
			has := func(group string) bool {
				return slices.ContainsFunc(groups, func(raw []byte) bool { return directory.SID(raw) == c.sid(group) })
			}
			if !has(global) || has(local) {
				c.Errorf("global %v, local %v", has(global), has(local))
			}
		}},
		{Rule: "constructed attributes come to nobody who does not ask", run: func(c *check) {
			entry := c.read(c.user("unasked"), "*")
			for _, attribute := range []string{"allowedAttributes", "tokenGroups", "msDS-PrincipalName", "parentGUID", "subSchemaSubEntry"} {
				if len(entry.GetAttributeValues(attribute)) > 0 {
					c.Errorf("%s comes", attribute)
				}
			}
		}},
	}
}

// ambiguities: ambiguous name resolution (MS-ADTS section 3.1.1.3.1.3.5).
func ambiguities() (scenarios []Scenario) {
	for i, s := range []struct{ rule, filter, want string }{
		{"by the beginning of a name", "(anr=anrg)", "ann"},
		{"by given name and surname", "(anr=anrgiven anrsur)", "ann"},
		{"by surname and given name", "(anr=anrsur anrgiven)", "ann"},
		{"by account name", "(anr=anr-acc)", "ann"},
		{"by display name, whatever the case of letters", "(anr=ANRDISPLAY)", "ann"},
		{"not by the middle of a name", "(anr=nrgiven)", ""},
		{"exactly, where it is asked so", "(anr==anrgiven)", "ann"},
		{"exactly is not by the beginning", "(anr==anrgiv)", ""},
	} {
		scenarios = append(scenarios, Scenario{Rule: "an ambiguous name is resolved " + s.rule, run: func(c *check) {
			unit := c.unit(fmt.Sprintf("OU=anr-ou-%d,%s", i, c.Domain.CustomerDN()))
			c.add("CN=ann,"+unit, attributes{
				"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("anr-acc-%d", i)}, "givenName": {"Anrgiven"}, "sn": {"Anrsur"}, "displayName": {"Anrdisplay"},
			})
			c.add("CN=other,"+unit, attributes{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("other-anr-%d", i)}})
			c.equal("found", c.found(unit, ldap.ScopeSingleLevel, s.filter), s.want)
		}})
	}
	return scenarios
}
