package embedded

import (
	"slices"
	"strings"
)

// syntax says how values of an attribute are compared (MS-ADTS section 3.1.1.2.2.2).
type syntax int

const (
	text    syntax = iota // case-insensitive string
	exact                 // case-sensitive string
	integer               // 32 or 64 bits
	boolean               // TRUE, FALSE
	octets                // bytes
	sid                   // bytes, with the S-1-… form accepted in filters
	dn                    // distinguished name
	moment                // generalized time
)

// attribute is what the schema says of an attribute type.
type attribute struct {
	name    string
	syntax  syntax
	single  bool
	system  bool // only the directory itself writes it
	indexed bool
	virtual bool // computed from the tree, never stored
	asked   bool // given only to those who ask for it by name
	link    bool // its values are links from this entry
	back    string
}

// class is what the schema says of a structural object class.
type class struct {
	name     string
	chain    []string // from top down to the class itself: the values of objectClass
	rdn      string   // the attribute that names it
	category string   // the schema object that objectCategory points to
	account  bool     // a security principal, with objectSid and sAMAccountName
}

type schema struct {
	attributes map[string]*attribute // by name in lower case
	classes    map[string]*class
	shown      []*attribute // those that a search gives without being asked, by name
	links      []*attribute
}

func (s *schema) attribute(name string) *attribute {
	if base, _, options := strings.Cut(name, ";"); options {
		name = base
	}
	if a, ok := s.attributes[name]; ok {
		return a
	}
	return s.attributes[strings.ToLower(name)]
}

func (s *schema) class(name string) *class { return s.classes[strings.ToLower(name)] }

// newSchema is the part of AD's schema (MS-ADA1 to MS-ADA3, MS-ADSC) that the embedded directory keeps.
func newSchema() *schema {
	s := &schema{attributes: map[string]*attribute{}, classes: map[string]*class{}}
	define := func(kind attribute, names string) {
		for name := range strings.FieldsSeq(names) {
			a := kind
			a.name = name
			s.attributes[strings.ToLower(name)] = &a
		}
	}
	define(attribute{syntax: text, single: true, indexed: true}, "sAMAccountName userPrincipalName displayName sn mail employeeID uid")
	define(attribute{syntax: text, indexed: true}, "servicePrincipalName proxyAddresses")
	define(attribute{syntax: integer, single: true, indexed: true}, "uidNumber gidNumber")
	define(attribute{syntax: sid, single: true, system: true, indexed: true}, "objectSid")
	define(attribute{syntax: text, single: true}, `givenName initials title department company division streetAddress l st c co
		physicalDeliveryOfficeName telephoneNumber homePhone mobile pager facsimileTelephoneNumber ipPhone employeeNumber employeeType
		homeDirectory homeDrive scriptPath profilePath wWWHomePage info comment postalCode displayNamePrintable
		personalTitle middleName generationQualifier homePostalAddress assistantName adminDescription
		unixHomeDirectory loginShell gecos msDS-cloudExtensionAttribute1 extensionName dNSHostName operatingSystem
		operatingSystemVersion operatingSystemServicePack location legacyExchangeDN mailNickname textEncodedORAddress
		userWorkstations street gPLink msSFU30NisDomain msSFU30Name`)
	define(attribute{syntax: text}, `description postalAddress postOfficeBox otherTelephone otherHomePhone otherMobile otherPager otherIpPhone
		otherFacsimileTelephoneNumber otherMailbox url roomNumber departmentNumber businessCategory carLicense keywords memberUid
		altSecurityIdentities preferredLanguage o msDS-AdditionalDnsHostName`)
	define(attribute{syntax: octets}, "userCertificate thumbnailPhoto jpegPhoto userSMIMECertificate logonHours")
	define(attribute{syntax: integer, single: true}, `userAccountControl countryCode codePage primaryGroupID accountExpires groupType
		minPwdLength pwdProperties pwdHistoryLength minPwdAge maxPwdAge lockoutThreshold lockoutDuration lockOutObservationWindow
		gPOptions msDS-SupportedEncryptionTypes localPolicyFlags pwdLastSet lockoutTime ms-DS-MachineAccountQuota adminCount`)
	define(attribute{syntax: integer, single: true, system: true}, `sAMAccountType systemFlags badPwdCount badPasswordTime lastLogon
		lastLogoff logonCount lastLogonTimestamp msDS-Behavior-Version nTMixedDomain msDS-SecondaryKrbTgtNumber`)
	define(attribute{syntax: boolean, single: true, system: true}, "isCriticalSystemObject isDeleted")
	define(attribute{syntax: boolean, single: true}, "showInAdvancedViewOnly")
	define(attribute{syntax: moment, single: true, system: true}, "whenCreated whenChanged")
	define(attribute{syntax: text, system: true}, "objectClass")
	define(attribute{syntax: text}, "uPNSuffixes")

	define(attribute{syntax: dn, link: true, back: "memberOf"}, "member")
	define(attribute{syntax: dn, link: true, single: true, back: "directReports"}, "manager")
	define(attribute{syntax: dn, link: true, single: true, back: "managedObjects"}, "managedBy")
	define(attribute{syntax: dn, system: true, virtual: true}, "memberOf directReports managedObjects")

	define(attribute{syntax: text, system: true, virtual: true, single: true}, "name cn ou dc")
	define(attribute{syntax: dn, system: true, virtual: true, single: true}, "distinguishedName objectCategory")
	define(attribute{syntax: octets, system: true, virtual: true, single: true}, "objectGUID")
	define(attribute{syntax: integer, system: true, virtual: true, single: true}, "uSNCreated uSNChanged instanceType")
	asked := attribute{system: true, virtual: true, asked: true}
	asked.syntax = sid
	define(asked, "tokenGroups")
	asked.single = true
	asked.syntax = text
	define(asked, "canonicalName structuralObjectClass")
	asked.syntax = integer
	define(asked, "msDS-KeyVersionNumber")
	asked.syntax = moment
	define(asked, "createTimeStamp modifyTimeStamp")
	// Write-only: no reader ever gets it.
	define(attribute{syntax: octets, single: true, virtual: true, asked: true}, "unicodePwd")

	for _, a := range s.attributes {
		if !a.asked {
			s.shown = append(s.shown, a)
		}
		if a.link {
			s.links = append(s.links, a)
		}
	}
	slices.SortFunc(s.shown, func(a, b *attribute) int { return strings.Compare(a.name, b.name) })

	for _, c := range []class{
		{name: "domainDNS", chain: []string{"top", "domain", "domainDNS"}, rdn: "dc", category: "Domain-DNS"},
		{name: "container", chain: []string{"top", "container"}, rdn: "cn", category: "Container"},
		{name: "builtinDomain", chain: []string{"top", "builtinDomain"}, rdn: "cn", category: "Builtin-Domain"},
		{name: "lostAndFound", chain: []string{"top", "lostAndFound"}, rdn: "cn", category: "Lost-And-Found"},
		{name: "organizationalUnit", chain: []string{"top", "organizationalUnit"}, rdn: "ou", category: "Organizational-Unit"},
		{name: "user", chain: []string{"top", "person", "organizationalPerson", "user"}, rdn: "cn", category: "Person", account: true},
		{name: "inetOrgPerson", chain: []string{"top", "person", "organizationalPerson", "user", "inetOrgPerson"}, rdn: "cn", category: "Person", account: true},
		{name: "computer", chain: []string{"top", "person", "organizationalPerson", "user", "computer"}, rdn: "cn", category: "Computer", account: true},
		{name: "group", chain: []string{"top", "group"}, rdn: "cn", category: "Group", account: true},
		{name: "contact", chain: []string{"top", "person", "organizationalPerson", "contact"}, rdn: "cn", category: "Person"},
		{name: "foreignSecurityPrincipal", chain: []string{"top", "foreignSecurityPrincipal"}, rdn: "cn", category: "Foreign-Security-Principal"},
	} {
		s.classes[strings.ToLower(c.name)] = &c
	}
	return s
}

// structural is the most derived class among the values of objectClass, or nil.
func (s *schema) structural(values []string) *class {
	var found *class
	for _, value := range values {
		if c := s.class(value); c != nil && (found == nil || len(c.chain) > len(found.chain)) {
			found = c
		}
	}
	return found
}

// categoryOf is the schema object that a class name in an objectCategory filter stands for.
func (s *schema) categoryOf(name string) (string, bool) {
	if strings.EqualFold(name, "person") || strings.EqualFold(name, "organizationalPerson") {
		return "Person", true
	}
	if c := s.class(name); c != nil {
		return c.category, true
	}
	return "", false
}
