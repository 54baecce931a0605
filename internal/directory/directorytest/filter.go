package directorytest

import (
	"fmt"
	"maps"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// population is what the filters are held against: the entries of an OU of their own, made by the first who asks.
func (c *check) population() (unit string, dn func(string) string) {
	unit = "OU=Filters," + c.Domain.CustomerDN()
	dn = func(cn string) string { return "CN=" + ldap.EscapeDN(cn) + "," + unit }
	err := c.tryAdd(unit, attributes{"objectClass": {"organizationalUnit"}})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
		return unit, dn
	}
	c.must(err)
	add := func(cn, class string, more attributes) {
		all := attributes{"objectClass": {class}}
		maps.Copy(all, more)
		c.add(dn(cn), all)
	}
	add("ann", "user", attributes{"sAMAccountName": {"f-ann"}, "displayName": {"Ann  B. Clark"}, "mail": {"ann@example.com"}, "otherTelephone": {"1", "2"}})
	add("bob", "user", attributes{"sAMAccountName": {"f-bob"}, "displayName": {"Bob (Robert)"}, "description": {`star * and \ backslash`}, "countryCode": {"49"}, "userAccountControl": {"66082"}})
	add("Çelik", "user", attributes{"sAMAccountName": {"f-çelik"}, "displayName": {"Çelik Ünal"}, "countryCode": {"1"}, "manager": {dn("ann")}})
	add("con", "contact", attributes{"displayName": {"Con Tact"}})
	add("host", "computer", attributes{"sAMAccountName": {"f-host$"}, "userAccountControl": {"4096"}})
	add("inner", "group", attributes{"sAMAccountName": {"f-inner"}, "groupType": {globalGroup}, "member": {dn("ann")}})
	add("outer", "group", attributes{"sAMAccountName": {"f-outer"}, "groupType": {universalGroup}, "member": {dn("inner"), dn("bob")}})
	add("mail", "group", attributes{"sAMAccountName": {"f-mail"}, "groupType": {"8"}, "member": {dn("outer")}})
	return unit, dn
}

// filters: RFC 4515 and MS-ADTS section 3.1.1.3.1.3. All of a topic's rules ask one population.
func filters() (scenarios []Scenario) {
	for _, s := range []struct{ rule, filter, want string }{
		{"equality ignores the case of letters", "(displayName=BOB \\28robert\\29)", "bob"},
		{"equality ignores the case of letters beyond ASCII", "(displayName=çELIK üNAL)", "Çelik"},
		{"equality takes several spaces for one", "(displayName=ann b. clark)", "ann"},
		{"equality ignores spaces around the value", "(displayName=\\20con tact\\20)", "con"},
		{"equality finds any of several values", "(otherTelephone=2)", "ann"},
		{"equality finds nothing that only begins so", "(displayName=Con)", ""},
		{"a star in an equality is no wildcard when it is escaped", "(displayName=\\2a)", ""},
		{"presence", "(mail=*)", "ann"},
		{"absence", "(&(objectCategory=person)(!(displayName=*)))", ""},
		{"not", "(&(objectClass=user)(!(cn=ann)))", "bob host Çelik"},
		{"not of a value is true where there is none", "(&(objectClass=contact)(!(mail=ann@example.com)))", "con"},
		{"and", "(&(cn=ann)(mail=*))", "ann"},
		{"or", "(|(cn=ann)(cn=con))", "ann con"},
		{"an empty and is true", "(&(cn=ann)(&))", "ann"},
		{"an empty or is false", "(&(cn=ann)(|))", ""},
		{"substring: the beginning", "(displayName=ann*)", "ann"},
		{"substring: the end", "(displayName=*clark)", "ann"},
		{"substring: the middle", "(displayName=*rober*)", "bob"},
		{"substring: several parts in order", "(displayName=a*b.*k)", "ann"},
		{"substring: not out of order", "(displayName=*clark*ann*)", ""},
		{"substring: escaped characters", "(description=*\\2a and \\5c*)", "bob"},
		{"substring: parts do not overlap", "(cn=con*con)", ""},
		{"greater or equal compares numbers", "(countryCode>=5)", "bob"},
		{"less or equal compares numbers", "(&(objectClass=user)(countryCode<=1)(countryCode>=1))", "Çelik"},
		{"approximate is equal", "(displayName~=CON TACT)", "con"},
		{"objectClass holds for derived classes", "(objectClass=person)", "ann bob con host Çelik"},
		{"objectClass of a computer is also user", "(&(objectClass=user)(cn=host))", "host"},
		{"objectCategory=person: no computers", "(objectCategory=person)", "ann bob con Çelik"},
		{"objectCategory by the class's name", "(objectCategory=computer)", "host"},
		{"objectCategory=person and objectClass=user: people", "(&(objectCategory=person)(objectClass=user))", "ann bob Çelik"},
		{"every bit of a mask", "(userAccountControl:1.2.840.113556.1.4.803:=65538)", "bob"},
		{"not with every bit", "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=65536)))", "ann Çelik"},
		{"any bit of a mask", "(userAccountControl:1.2.840.113556.1.4.804:=69632)", "bob host"},
		{"bits of a negative number: security groups", "(groupType:1.2.840.113556.1.4.803:=2147483648)", "inner outer"},
		{"userAccountControl by value", "(userAccountControl=4096)", "host"},
		{"member by DN", "(member={ann})", "inner"},
		{"member by DN in any case of letters", "(member={ANN})", "inner"},
		{"memberOf by DN", "(memberOf={outer})", "bob inner"},
		{"member of nobody that exists", "(member=CN=missing,DC=x)", ""},
		{"member in chain: groups of a user, however", "(member:1.2.840.113556.1.4.1941:={ann})", "inner mail outer"},
		{"memberOf in chain: users of a group, however", "(&(objectClass=user)(memberOf:1.2.840.113556.1.4.1941:={outer}))", "ann bob"},
		{"manager by DN", "(manager={ann})", "Çelik"},
		{"distinguishedName", "(distinguishedName={bob})", "bob"},
		{"an attribute that does not exist matches nothing", "(noSuchAttribute=x)", ""},
		{"an attribute that does not exist is neither there nor not there", "(&(cn=ann)(!(noSuchAttribute=*)))", ""},
		{"text for a number matches nothing", "(countryCode=x)", ""},
		{"name is the RDN's value", "(name=ÇELIK)", "Çelik"},
		{"objectSid in its string form", "(objectSid={sid:ann})", "ann"},
		{"objectSid in its bytes", "(objectSid={rawsid:ann})", "ann"},
		{"objectGUID in its bytes", "(objectGUID={rawguid:ann})", "ann"},
		{"objectGUID in its string form", "(objectGUID={guid:ann})", "ann"},
		{"who must change the password", "(&(objectCategory=person)(pwdLastSet=0))", "ann bob Çelik"},
		{"accounts that never expire", "(&(objectCategory=person)(accountExpires=9223372036854775807))", "ann bob Çelik"},
		{"what was made since a moment", "(&(cn=ann)(whenCreated>=20200101000000.0Z))", "ann"},
		{"what was made before a moment", "(&(cn=ann)(whenCreated<=20200101000000.0Z))", ""},
		{"attribute names in any case of letters", "(SAMACCOUNTNAME=*ann)", "ann"},
	} {
		scenarios = append(scenarios, Scenario{Rule: s.rule, run: func(c *check) {
			unit, dn := c.population()
			c.equal(s.filter, c.found(unit, ldap.ScopeSingleLevel, c.fill(s.filter, dn)), s.want)
		}})
	}
	return append(scenarios, Scenario{Rule: "a filter that can't be read is refused", run: func(c *check) {
		_, err := c.trySearch(c.Domain.BaseDN(), ldap.ScopeWholeSubtree, "(cn=broken")
		if err == nil {
			c.Errorf("it was taken")
		}
	}})
}

// fill puts DNs, SIDs and GUIDs of the population into a filter.
func (c *check) fill(filter string, dn func(string) string) string {
	before, rest, found := strings.Cut(filter, "{")
	if !found {
		return filter
	}
	what, after, _ := strings.Cut(rest, "}")
	kind, name, _ := strings.Cut(what, ":")
	value := ""
	escaped := func(raw []byte) (text string) {
		for _, b := range raw {
			text += fmt.Sprintf("\\%02x", b)
		}
		return text
	}
	guid := func() []byte { return c.read(dn(name), "objectGUID").GetRawAttributeValue("objectGUID") }
	switch kind {
	case "sid":
		value = c.sid(dn(name)).String()
	case "rawsid":
		value = escaped([]byte(c.sid(dn(name))))
	case "rawguid":
		value = escaped(guid())
	case "guid":
		g := guid()
		value = fmt.Sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x", g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8:10], g[10:])
	default:
		value = ldap.EscapeFilter(dn(what))
	}
	return before + value + after
}
