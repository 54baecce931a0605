package seed

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"go.yaml.in/yaml/v3"

	"latchkey/internal/directory"
	"latchkey/internal/strict"
)

const maxFile = 64 << 20

// Parse reads a seed file; name is what its errors call it. The error joins every problem, each with its file and line,
// and never shows a password.
func Parse(r io.Reader, name string) (*Seed, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s: larger than %d MB", name, maxFile>>20)
	}
	root, err := strict.Parse(name, string(text))
	switch {
	case err != nil:
		return nil, err
	case root == nil:
		return &Seed{}, nil
	}
	p := parser{&reader{file: name}}
	m := p.mapping(root, "the file")
	s := &Seed{}
	for _, node := range m.items("directories") {
		s.Directories = append(s.Directories, p.directory(node))
	}
	m.done()
	p.duplicates(s)
	if err := p.err(); err != nil {
		return nil, err
	}
	return s, nil
}

type parser struct{ *reader }

var (
	directoryID   = regexp.MustCompile(`^d-[0-9a-f]{10}$`)
	region        = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
)

const (
	defaultRegion = "us-east-1"
	maxName       = 64 // of an organizational unit (the schema's rangeUpper of ou)
)

func (p parser) directory(node *yaml.Node) Directory {
	m := p.mapping(node, "directory")
	d := Directory{
		At: m.at, ID: m.string("id"), Type: m.string("type"), Name: strings.ToLower(m.string("name")), ShortName: strings.ToUpper(m.string("shortName")),
		Region: orElse(m.string("region"), defaultRegion), Description: m.string("description"),
		Size: m.string("size"), Edition: m.string("edition"), Engine: m.string("engine"), Password: m.secret("password"),
	}
	if remote := m.take("remote"); remote != nil {
		d.Remote = p.remote(remote)
	}
	if policy := m.take("passwordPolicy"); policy != nil {
		d.Policy = p.policy(policy)
	}
	for _, unit := range m.items("organizationalUnits") {
		path := p.text(unit, "organizationalUnits")
		p.path(p.at(unit), path)
		d.Units = append(d.Units, Unit{p.at(unit), path})
	}
	for _, group := range m.items("groups") {
		d.Groups = append(d.Groups, p.group(group))
	}
	for _, user := range m.items("users") {
		d.Users = append(d.Users, p.user(user))
	}
	for _, computer := range m.items("computers") {
		d.Computers = append(d.Computers, p.computer(computer))
	}
	m.done()
	p.names(m, &d)
	p.kind(m, &d)
	p.engine(m, &d)
	return d
}

// engine checks what holds the directory, and that it is given what it needs and nothing that it can't use.
func (p parser) engine(m *mapping, d *Directory) {
	if d.Engine != "" {
		p.oneOf(m, "engine", d.Engine, "embedded", "samba", "remote")
	}
	if d.Engine != "remote" {
		if d.Remote != nil {
			p.report(m.place("remote"), "remote: only a directory with the engine remote has it")
		}
		p.administrator(m, d)
		return
	}
	if d.Remote == nil {
		p.report(m.at, "remote: the engine remote needs to know how the domain is reached")
	}
	for _, key := range []string{"password", "passwordPolicy", "organizationalUnits", "groups", "users", "computers"} {
		if m.values[key] != nil {
			p.report(m.place(key), "%s: a seed changes nothing in a domain that somebody else runs", key)
		}
	}
}

func (p parser) remote(node *yaml.Node) *Remote {
	m := p.mapping(node, "remote")
	defer m.done()
	r := &Remote{
		URLs: m.strings("urls"), Discover: m.flag("discover"), PreferPDC: m.flag("preferPdc"), Resolver: m.string("resolver"),
		BindDN: m.string("bindDn"), BindPasswordFile: m.string("bindPasswordFile"), CAFile: m.string("caFile"),
		ResetBases: m.strings("resetBases"), LeaveOut: m.strings("leaveOut"),
		RespectHistory: m.flag("respectHistory"), MustChange: m.flag("mustChange"), ReadBack: m.flag("readBack"),
	}
	for _, attribute := range r.LeaveOut {
		p.oneOf(m, "leaveOut", attribute, "userAccountControl", "lockoutTime", "pwdLastSet")
	}
	for _, base := range r.ResetBases {
		if _, err := ldap.ParseDN(base); err != nil || base == "" {
			p.report(m.place("resetBases"), "resetBases: %q is not a DN", base)
		}
	}
	return r
}

// names checks what the directory is called, and fills in the short name.
func (p parser) names(m *mapping, d *Directory) {
	if d.ID != "" && !directoryID.MatchString(d.ID) {
		p.report(m.place("id"), "id: %q is not d- and 10 digits from 0 to f", d.ID)
	}
	if !region.MatchString(d.Region) {
		p.report(m.place("region"), "region: %q is not an AWS Region", d.Region)
	}
	if err := directory.CheckName(d.Name); err != nil {
		p.report(m.place("name"), "name: %w, not %q", err, d.Name)
		return
	}
	if d.ShortName == "" {
		d.ShortName = directory.DefaultShortName(d.Name)
	}
	if err := directory.CheckShortName(d.ShortName); err != nil {
		p.report(m.place("shortName"), "shortName: %q is not a NetBIOS name: %w", d.ShortName, err)
	}
}

func (p parser) kind(m *mapping, d *Directory) {
	switch directory.Kind(d.Type) {
	case directory.SimpleAD:
		d.Size = p.oneOf(m, "size", d.Size, "Small", "Large")
		if d.Edition != "" {
			p.report(m.place("edition"), "edition: a SimpleAD has a size instead")
		}
	case directory.MicrosoftAD:
		d.Edition = p.oneOf(m, "edition", d.Edition, "Standard", "Enterprise")
		if d.Size != "" {
			p.report(m.place("size"), "size: a MicrosoftAD has an edition instead")
		}
	default:
		p.report(m.place("type"), "type: %q is not SimpleAD or MicrosoftAD", d.Type)
	}
}

// AWS's bounds for an administrator's password (API reference, CreateDirectory and CreateMicrosoftAD).
const (
	minPassword = 8
	maxPassword = 64
)

func (p parser) administrator(m *mapping, d *Directory) {
	if d.Password.IsZero() {
		p.report(m.at, "password: a directory needs one, its administrator's")
		return
	}
	if n := utf8.RuneCount(d.Password.Bytes()); n < minPassword || n > maxPassword {
		p.report(m.place("password"), "password: an administrator's has %d to %d characters, not %d", minPassword, maxPassword, n)
		return
	}
	name := directory.Domain{Kind: directory.Kind(d.Type)}.Administrator()
	if err := directory.DefaultPasswordSettings().Check(d.Password.Bytes(), name, ""); err != nil {
		p.report(m.place("password"), "password: %w", err)
	}
}

// Limits of AD's password settings (MS-ADTS section 3.1.1.3.2; Microsoft's pages on the policies).
const (
	maxMinLength = 255
	maxHistory   = 1024
	maxThreshold = 65535
)

func (p parser) policy(node *yaml.Node) *Policy {
	m := p.mapping(node, "passwordPolicy")
	defer m.done()
	return &Policy{
		MinLength: m.number("minLength", maxMinLength), Complexity: m.bool("complexity"), HistoryLength: m.number("historyLength", maxHistory),
		MinAge: m.duration("minAge"), MaxAge: m.duration("maxAge"),
		LockoutThreshold: m.number("lockoutThreshold", maxThreshold), LockoutDuration: m.duration("lockoutDuration"), ObservationWindow: m.duration("lockoutWindow"),
	}
}

// How long a sAMAccountName may be, in characters. AD itself takes 20 for a user (MS-SAMR section 3.1.1.6); AWS's
// UserName 64.
const (
	maxUserName     = 64
	maxGroupName    = 64
	maxComputerName = 15
)

func (p parser) group(node *yaml.Node) Group {
	m := p.mapping(node, "group")
	g := Group{At: m.at, Name: p.account(m, maxGroupName), OU: p.ou(m)}
	g.Scope = p.oneOf(m, "scope", m.string("scope"), "Global", "DomainLocal", "Universal")
	g.Type = p.oneOf(m, "type", m.string("type"), "Security", "Distribution")
	g.Description, g.Groups = m.string("description"), p.memberships(m)
	m.done()
	if slices.ContainsFunc(g.Groups, func(name string) bool { return strings.EqualFold(name, g.Name) }) {
		p.report(m.place("groups"), "groups: %q can't be a member of itself", g.Name)
	}
	return g
}

func (p parser) user(node *yaml.Node) User {
	m := p.mapping(node, "user")
	defer m.done()
	u := User{
		At: m.at, Name: p.account(m, maxUserName), OU: p.ou(m), GivenName: m.string("givenName"), Surname: m.string("surname"),
		DisplayName: m.string("displayName"), Mail: m.string("mail"), UserPrincipalName: m.string("userPrincipalName"), Password: m.secret("password"),
		Groups: p.memberships(m), PrimaryGroup: m.string("primaryGroup"), Disabled: m.flag("disabled"),
		MustChangePassword: m.flag("mustChangePassword"), Locked: m.flag("locked"),
	}
	if attributes := m.take("attributes"); attributes != nil {
		u.Attributes = p.attributes(attributes)
	}
	if user, domain, ok := strings.Cut(u.UserPrincipalName, "@"); u.UserPrincipalName != "" && (!ok || user == "" || domain == "" || strings.Contains(domain, "@")) {
		p.report(m.place("userPrincipalName"), "userPrincipalName: %q is not NAME@DOMAIN", u.UserPrincipalName)
	}
	return u
}

func (p parser) computer(node *yaml.Node) Computer {
	m := p.mapping(node, "computer")
	defer m.done()
	return Computer{At: m.at, Name: p.account(m, maxComputerName), OU: p.ou(m)}
}

func (p parser) attributes(node *yaml.Node) map[string]Values {
	m := p.mapping(node, "attributes")
	attributes, folded := map[string]Values{}, map[string]bool{}
	for _, key := range m.keys {
		name, at := key.Value, p.at(key)
		switch owner := elsewhere(name); {
		case !attributeName.MatchString(name):
			p.report(at, "attributes: %q is not an attribute's name", name)
		case owner != "":
			p.report(at, "attributes: %s: %s", name, owner)
		case folded[strings.ToLower(name)]:
			p.report(at, "attributes: %s is given twice", name)
		}
		folded[strings.ToLower(name)] = true
		value := m.values[name]
		if value.Kind == yaml.SequenceNode {
			attributes[name] = p.texts(value, name)
		} else {
			attributes[name] = Values{p.text(value, name)}
		}
	}
	return attributes
}

// elsewhere says how an attribute is given that the format has a key for, or that the directory keeps itself.
func elsewhere(attribute string) string {
	switch strings.ToLower(attribute) {
	case "samaccountname":
		return "the key name gives it"
	case "givenname", "displayname", "mail", "userprincipalname":
		return "it has a key of its own"
	case "sn":
		return "the key surname gives it"
	case "unicodepwd", "userpassword":
		return "the key password gives it"
	case "memberof", "member":
		return "the key groups gives it"
	case "primarygroupid":
		return "the key primaryGroup gives it"
	case "useraccountcontrol", "pwdlastset", "lockouttime":
		return "the keys disabled, mustChangePassword and locked give it"
	case "objectclass", "objectsid", "objectguid", "distinguishedname", "cn", "name":
		return "the directory gives it"
	}
	return ""
}

// account is an account's name, which AD restricts (MS-SAMR section 3.1.1.6; the rest of the list is AWS's).
func (p parser) account(m *mapping, most int) string {
	name := m.string("name")
	n := utf8.RuneCountInString(name)
	switch {
	case n == 0 || n > most:
		p.report(m.place("name"), "name: a %s's name has 1 to %d characters, not %d", m.what, most, n)
	case strings.ContainsAny(name, `"/\[]:;|=,+*?<>@`):
		p.report(m.place("name"), `name: %q has one of the characters " / \ [ ] : ; | = , + * ? < > @, which an account's name can't have`, name)
	case strings.TrimSpace(name) != name:
		p.report(m.place("name"), "name: %q begins or ends with a space", name)
	case strings.Trim(name, ". ") == "":
		p.report(m.place("name"), "name: %q is nothing but dots and spaces", name)
	}
	return name
}

func (p parser) memberships(m *mapping) []string {
	groups := m.strings("groups")
	seen := map[string]bool{}
	for _, name := range groups {
		if name == "" || seen[strings.ToLower(name)] {
			p.report(m.place("groups"), "groups: %q is empty or given twice", name)
		}
		seen[strings.ToLower(name)] = true
	}
	return groups
}

func (p parser) ou(m *mapping) *string {
	path := m.optional("ou")
	if path != nil && *path != "" {
		p.path(m.place("ou"), *path)
	}
	return path
}

func (p parser) path(at At, path string) {
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if n := utf8.RuneCountInString(part); n == 0 || n > maxName || strings.TrimSpace(part) != part {
			p.report(at, "%q is not the path of an organizational unit, such as Sales/Berlin: each part has 1 to %d characters and no space around it", path, maxName)
			return
		}
	}
}

// oneOf checks a word, for which the first of those allowed is the default.
func (p parser) oneOf(m *mapping, key, value string, allowed ...string) string {
	value = orElse(value, allowed[0])
	if !slices.Contains(allowed, value) {
		p.report(m.place(key), "%s: %q is not %s", key, value, strings.Join(allowed, " or "))
	}
	return value
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// duplicates reports what is given twice and has to be unique, whatever its case.
func (p parser) duplicates(s *Seed) {
	ids, names := unique{p.reader, "the id"}.check(), unique{p.reader, "the directory"}.check()
	for _, d := range s.Directories {
		ids(d.ID, d.At)
		names(d.Name+" in "+d.Region, d.At)
		units, accounts, logons := unique{p.reader, "the organizational unit"}.check(), unique{p.reader, "the account name"}.check(), unique{p.reader, "the userPrincipalName"}.check()
		for _, u := range d.Units {
			units(u.Path, u.At)
		}
		for _, g := range d.Groups {
			accounts(g.Name, g.At)
		}
		for _, u := range d.Users {
			accounts(u.Name, u.At)
			logons(u.UserPrincipalName, u.At)
		}
		for _, c := range d.Computers {
			accounts(c.Name+"$", c.At)
		}
	}
}

// unique notes names and reports those that come again.
type unique struct {
	*reader
	what string
}

func (u unique) check() func(name string, at At) {
	seen := map[string]At{}
	return func(name string, at At) {
		key := strings.ToLower(name)
		if first, twice := seen[key]; twice {
			u.report(at, "%s %q is given at %s already", u.what, name, first)
		} else if name != "" {
			seen[key] = at
		}
	}
}
