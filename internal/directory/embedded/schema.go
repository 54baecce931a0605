package embedded

import (
	_ "embed"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// The schema of Windows Server 2012 R2 (MS-ADA1 to MS-ADA3, MS-ADSC), a line for each attribute and each class, in the order
// of their names. "-" is nothing.
//
// Of an attribute: lDAPDisplayName, cn, attributeID, attributeSyntax (2.5.5.x) and oMSyntax, flags (s: single-valued, y: only
// the directory writes it, c: constructed, a: part of ambiguous name resolution, h: confidential), range of the value or its
// length, linkID, schemaIDGUID.
//
// Of a class: lDAPDisplayName, cn, governsID, objectClassCategory (y: only the directory makes such entries), rDNAttID,
// subClassOf, auxiliary classes, must contain, may contain, possible superiors, default category, schemaIDGUID.
var (
	//go:embed attributes.tsv
	attributeTable string
	//go:embed classes.tsv
	classTable string
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
	name, common, oid string
	form              string // 12/64: attributeSyntax 2.5.5.12, oMSyntax 64
	guid              string
	linkID            string
	syntax            syntax
	low, high         int64 // of a number, or of a value's length
	single            bool
	system            bool // only the directory itself writes it
	indexed           bool
	ambiguous         bool   // ambiguous name resolution looks at it
	virtual           bool   // computed from the tree, never stored
	asked             bool   // given only to those who ask for it by name
	unkept            bool   // never kept as an attribute, never given: passwords, security descriptors
	link              bool   // its values are links from this entry
	back, front       string // the other side of a link: of this attribute's, or of which this one is the other side
	anywhere          bool   // entries of every class may have it
}

// The kinds of class (objectClassCategory, MS-ADTS section 3.1.1.2.4.2).
const (
	class88         = "0"
	structuralClass = "1"
	abstractClass   = "2"
	auxiliaryClass  = "3"
)

// class is what the schema says of an object class.
type class struct {
	name, common, oid string
	guid              string
	kind              string
	system            bool // only the directory makes such entries
	above             *class
	auxiliary         []*class
	must, may         []*attribute // its own, without what it inherits
	superiors         []string     // the same
	chain             []string     // from top down to the class itself: the values of objectClass
	rdn               string       // the attribute that names it
	category          string       // the schema object that objectCategory points to
	account           bool         // a security principal, with objectSid and sAMAccountName
}

type schema struct {
	attributes map[string]*attribute // by name in lower case, and by OID
	classes    map[string]*class     // the same
	shown      []*attribute          // the computed ones that a search gives without being asked
	links      []*attribute
	ambiguous  []*attribute
	// own is what one directory has besides; nil for most.
	own atomic.Pointer[extension]
}

func (s *schema) attribute(name string) *attribute {
	if base, _, options := strings.Cut(name, ";"); options {
		name = base
	}
	if a, ok := s.attributes[name]; ok {
		return a
	}
	name = strings.ToLower(name)
	if a, ok := s.attributes[name]; ok {
		return a
	}
	if own := s.own.Load(); own != nil {
		return own.attributes[name]
	}
	return nil
}

// class is the class of that name, of any kind, or nil.
func (s *schema) class(name string) *class {
	name = strings.ToLower(name)
	if c, ok := s.classes[name]; ok {
		return c
	}
	if own := s.own.Load(); own != nil {
		return own.classes[name]
	}
	return nil
}

// newSchema reads the tables, and adds what the embedded directory does with each attribute.
func newSchema() *schema {
	s := &schema{attributes: map[string]*attribute{}, classes: map[string]*class{}}
	byLink := map[string]*attribute{}
	for line := range strings.Lines(attributeTable) {
		a := readAttribute(strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		s.attributes[strings.ToLower(a.name)], s.attributes[a.oid] = a, a
		byLink[a.linkID] = a
	}
	s.mark(`sAMAccountName userPrincipalName displayName givenName sn mail employeeID employeeNumber uid telephoneNumber servicePrincipalName
		proxyAddresses physicalDeliveryOfficeName legacyExchangeDN uidNumber gidNumber groupType objectSid`, func(a *attribute) { a.indexed = true })
	s.mark(`objectSid sAMAccountType systemFlags badPwdCount badPasswordTime lastLogon lastLogoff logonCount lastLogonTimestamp nTMixedDomain
		msDS-Behavior-Version msDS-SecondaryKrbTgtNumber isCriticalSystemObject isDeleted whenCreated whenChanged objectClass`, func(a *attribute) { a.system = true })
	s.mark("name cn ou dc distinguishedName objectCategory objectGUID uSNCreated uSNChanged instanceType wellKnownObjects", func(a *attribute) { a.system, a.virtual = true, true })
	s.mark("createTimeStamp modifyTimeStamp tokenGroups subSchemaSubEntry", func(a *attribute) { a.system, a.virtual, a.asked = true, true, true })
	s.mark("msDS-KeyVersionNumber", func(a *attribute) { a.virtual = false })
	// Said when the account is made.
	s.mark("msDS-ManagedPasswordInterval", func(a *attribute) { a.system = false })
	// Write-only: no reader ever gets it.
	s.mark("unicodePwd", func(a *attribute) { a.virtual, a.asked, a.unkept = true, true, true })
	s.mark(`userPassword unixUserPassword dBCSPwd lmPwdHistory ntPwdHistory supplementalCredentials currentValue priorValue trustAuthIncoming
		trustAuthOutgoing initialAuthIncoming initialAuthOutgoing msDS-ManagedPassword msDS-ManagedPasswordId msDS-ManagedPasswordPreviousId
		nTSecurityDescriptor msDS-ExecuteScriptPassword msFVE-RecoveryPassword msFVE-KeyPackage msTPM-OwnerInformation msPKIAccountCredentials
		msPKIDPAPIMasterKeys msKds-RootKeyData`, func(a *attribute) { a.unkept = true })
	for _, a := range s.attributes {
		if a.syntax != dn || a.virtual {
			continue
		}
		if id, err := strconv.Atoi(a.linkID); err == nil && id%2 == 1 {
			a.system, a.virtual = true, true
			continue
		} else if back := byLink[strconv.Itoa(id+1)]; err == nil && back != nil {
			a.back, back.front = back.name, a.name
		}
		a.link = true
	}
	for name, a := range s.attributes {
		switch {
		case name == a.oid:
			continue
		case a.link:
			s.links = append(s.links, a)
		case a.virtual && !a.asked && a.linkID == "-":
			s.shown = append(s.shown, a)
		}
		if a.ambiguous {
			s.ambiguous = append(s.ambiguous, a)
		}
	}
	for _, list := range [][]*attribute{s.shown, s.links, s.ambiguous} {
		slices.SortFunc(list, func(a, b *attribute) int { return strings.Compare(a.name, b.name) })
	}
	s.readClasses()
	return s
}

func (s *schema) mark(names string, what func(*attribute)) {
	for name := range strings.FieldsSeq(names) {
		what(s.attributes[strings.ToLower(name)])
	}
}

func readAttribute(fields []string) *attribute {
	kind, _, _ := strings.Cut(fields[3], "/")
	low, high, _ := strings.Cut(strings.Trim(fields[5], "-"), "..")
	a := &attribute{
		name: fields[0], common: fields[1], oid: fields[2], form: fields[3], linkID: fields[6], guid: fields[7], syntax: syntaxes["2.5.5."+kind],
		single: strings.Contains(fields[4], "s"), system: strings.Contains(fields[4], "y"), ambiguous: strings.Contains(fields[4], "a"),
	}
	a.bound(low, high)
	if strings.Contains(fields[4], "c") {
		a.system, a.virtual, a.asked = true, true, true
	}
	return a
}

// bound sets what a value may be; "" is no bound.
func (a *attribute) bound(low, high string) {
	var err error
	if a.low, err = strconv.ParseInt(low, 10, 64); err != nil {
		a.low = math.MinInt64
	}
	if a.high, err = strconv.ParseInt(high, 10, 64); err != nil || a.high < a.low {
		a.high = math.MaxInt64
	}
}

func (s *schema) readClasses() {
	lines := map[string][]string{}
	for line := range strings.Lines(classTable) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		lines[fields[0]] = fields
	}
	var read func(name string) *class
	read = func(name string) *class {
		if c := s.classes[strings.ToLower(name)]; c != nil {
			return c
		}
		fields := lines[name]
		c := &class{
			name: fields[0], common: fields[1], oid: fields[2], kind: fields[3][:1], system: len(fields[3]) > 1, rdn: fields[4],
			superiors: listed(fields[9]), category: fields[10], guid: fields[11], chain: []string{name},
		}
		s.classes[strings.ToLower(name)], s.classes[c.oid] = c, c
		if name != "top" {
			c.above = read(fields[5])
			c.chain = append(slices.Clone(c.above.chain), name)
		}
		for _, each := range listed(fields[6]) {
			c.auxiliary = append(c.auxiliary, read(each))
		}
		c.must, c.may = s.named(fields[7]), s.named(fields[8])
		c.account = c.is("user") || c.is("group")
		return c
	}
	for name := range lines {
		read(name)
	}
}

func listed(list string) []string {
	if list == "-" {
		return nil
	}
	return strings.Split(list, ",")
}

func (s *schema) named(list string) (found []*attribute) {
	for _, name := range listed(list) {
		if a := s.attributes[strings.ToLower(name)]; a != nil {
			found = append(found, a)
		}
	}
	return found
}

// is says whether the class is that one or derived from it.
func (c *class) is(name string) bool { return c != nil && slices.Contains(c.chain, name) }

// each calls visit for the class, what it is derived from, and the auxiliary classes of all of them, until visit says to stop.
func (c *class) each(visit func(*class) bool) bool {
	for ; c != nil; c = c.above {
		if !visit(c) {
			return false
		}
		for _, auxiliary := range c.auxiliary {
			if !auxiliary.each(visit) {
				return false
			}
		}
	}
	return true
}

// allows says whether entries of the class may have the attribute.
func (c *class) allows(a *attribute) bool {
	return a.anywhere || !c.each(func(each *class) bool { return !slices.Contains(each.may, a) && !slices.Contains(each.must, a) })
}

// mayBeBelow says whether an entry of the class may be below one of that class (MS-ADTS section 3.1.1.2.4.5, possible
// superiors).
func (c *class) mayBeBelow(parent *class) bool {
	return parent != nil && !c.each(func(each *class) bool { return !slices.ContainsFunc(each.superiors, parent.is) })
}

// structural is the most derived class among the values of objectClass that an entry can be of, or nil.
func (s *schema) structural(values []string) *class {
	var found *class
	for _, value := range values {
		c := s.class(value)
		if c != nil && c.kind != abstractClass && c.kind != auxiliaryClass && (found == nil || len(c.chain) > len(found.chain)) {
			found = c
		}
	}
	return found
}

// categoryOf is the schema object that a class name in an objectCategory filter stands for.
func (s *schema) categoryOf(name string) (string, bool) {
	if c := s.class(name); c != nil {
		return c.category, true
	}
	return "", false
}
