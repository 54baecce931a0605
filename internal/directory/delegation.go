package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/go-ldap/ldap/v3"
)

// Purpose is what a service account is to do.
type Purpose string

// The purposes. Each is granted for itself.
const (
	// PurposeReset is ResetUserPassword: a new password, enabled, unlocked.
	PurposeReset Purpose = "Reset"
	// PurposeManagement is the Directory Service Data API: users and groups come, change and go.
	PurposeManagement Purpose = "Management"
)

// Dialect is the program that a command is for.
type Dialect string

// The dialects: Windows' dsacls.exe for cmd.exe, and samba-tool for a POSIX shell.
const (
	DialectDsacls    Dialect = "dsacls"
	DialectSambaTool Dialect = "samba-tool"
)

// Command grants rights when an administrator of the domain runs it.
type Command struct {
	Dialect Dialect
	Purpose Purpose
	// Grants says in words what the command gives.
	Grants string
	// Line is to be pasted into a shell as it is.
	Line string
}

var (
	// ErrNoSuchTrustee says that nobody in the domain has the name that rights are to be given to.
	ErrNoSuchTrustee = errors.New("no such account")
	// ErrDelegation says that rights can't be given like this; the text around it says why.
	ErrDelegation = errors.New("the rights can't be delegated")
)

// Trustee is an account or a group that gets rights.
type Trustee struct {
	Name string // sAMAccountName
	SID  SID
}

// FindTrustee is the account or group of that name: a sAMAccountName, which may have the domain before it (CORP\svc), or a
// userPrincipalName. The error wraps ErrNoSuchTrustee when nobody has it, and
// when two may be meant.
func FindTrustee(ctx context.Context, conn Conn, domain Domain, name string) (Trustee, error) {
	account := name
	if prefix, rest, qualified := strings.Cut(name, `\`); qualified {
		if !strings.EqualFold(prefix, domain.NetBIOS) && !strings.EqualFold(prefix, domain.Name) {
			return Trustee{}, fmt.Errorf("%w: %q is of another domain than %s", ErrNoSuchTrustee, name, domain.NetBIOS)
		}
		account = rest
	}
	// Everybody also has the name that is made of the account's and the domain's (MS-ADTS section 5.1.1.1.1).
	if before, after, qualified := strings.Cut(account, "@"); qualified && strings.EqualFold(after, domain.Name) {
		account = before
	}
	escaped := ldap.EscapeFilter(account)
	filter := "(&(objectSid=*)(|(sAMAccountName=" + escaped + ")(userPrincipalName=" + ldap.EscapeFilter(name) + ")))"
	entries, err := search(ctx, conn, domain.BaseDN(), ldap.ScopeWholeSubtree, filter, []string{"sAMAccountName", "userPrincipalName", "objectSid"})
	if err != nil {
		return Trustee{}, fmt.Errorf("search for %q: %w", name, explain(err))
	}
	// Servers take no notice of surrounding spaces; a name does.
	entries = slices.DeleteFunc(entries, func(entry *ldap.Entry) bool {
		return !strings.EqualFold(entry.GetAttributeValue("sAMAccountName"), account) && !strings.EqualFold(entry.GetAttributeValue("userPrincipalName"), name)
	})
	switch len(entries) {
	case 0:
		return Trustee{}, fmt.Errorf("%w: nobody in %s is called %q", ErrNoSuchTrustee, domain.Name, name)
	case 1:
	default:
		return Trustee{}, fmt.Errorf("%w: %q may be %s or %s", ErrNoSuchTrustee, name, entries[0].DN, entries[1].DN)
	}
	trustee := Trustee{entries[0].GetAttributeValue("sAMAccountName"), SID(entries[0].GetRawAttributeValue("objectSid"))}
	if !trustee.SID.Valid() {
		return Trustee{}, fmt.Errorf("%s: objectSid is not a SID", entries[0].DN)
	}
	return trustee, nil
}

// Delegation is the rights that a service account needs, and no more, below some DNs.
type Delegation struct {
	Domain  Domain
	Trustee Trustee
	// Bases are the DNs of the OUs; none: where the customer's objects are.
	Bases []string
	// LeaveOut is the attributes that resets leave as they are, as in ResetOptions: no right is given on them.
	LeaveOut []string
	// Server is the host name of the domain controller that samba-tool asks; empty: the domain's name.
	Server string
}

// right is a right as both dialects write it.
type right struct {
	mask       AccessMask
	object     GUID
	objectName string // the object's, as dsacls has it: lDAPDisplayName of classes and attributes, displayName of rights
	class      GUID
	className  string
	leaveOut   string // attribute without which it is not needed
}

// grant is what one command of dsacls gives.
type grant struct {
	purpose Purpose
	words   string
	// itself says that it counts for the OU, and all OUs below it; else for the users or groups in them alone.
	itself bool
	rights []right
}

// grants was measured against Samba 4.17, as rights that a Modify with all that a reset changes is refused without, and
// follows MS-ADTS sections 3.1.1.3.1.5 (passwords), 5.1.3 (access checks) and MS-SAMR. Reading is granted by name only,
// what hardened domains take away from Authenticated Users.
var grants = []grant{
	{PurposeReset, "reset the passwords of users, enable (userAccountControl) and unlock (lockoutTime) them, make them change the password (pwdLastSet)", false, []right{
		{ControlAccess, RightResetPassword, "Reset Password", ClassUser, "user", ""},
		{WriteProperty, AttributeUserAccountControl, "userAccountControl", ClassUser, "user", "userAccountControl"},
		{WriteProperty, AttributeLockoutTime, "lockoutTime", ClassUser, "user", "lockoutTime"},
		{WriteProperty, AttributePwdLastSet, "pwdLastSet", ClassUser, "user", "pwdLastSet"},
	}},
	{PurposeReset, "read the flags and groups of users (userAccountControl, tokenGroups, memberOf): only needed where Authenticated Users is not in Pre-Windows 2000 Compatible Access", false, []right{
		{ReadProperty, AttributeUserAccountControl, "userAccountControl", ClassUser, "user", ""},
		{ReadProperty, attributeTokenGroups, "tokenGroups", ClassUser, "user", ""},
		{ReadProperty, attributeMemberOf, "memberOf", ClassUser, "user", ""},
	}},
	{PurposeManagement, "create and delete users and groups", true, []right{
		{CreateChild | DeleteChild, ClassUser, "user", GUID{}, "", ""},
		{CreateChild | DeleteChild, ClassGroup, "group", GUID{}, "", ""},
	}},
	{PurposeManagement, "read and write all attributes of users and groups, and with them who is a member of a group", false, []right{
		{ReadProperty | WriteProperty, GUID{}, "", ClassUser, "user", ""},
		{ReadProperty | WriteProperty, GUID{}, "", ClassGroup, "group", ""},
	}},
}

// letters are how SDDL (MS-DTYP section 2.5.1.1) and dsacls write the rights above. The extended rights differ.
var letters = []struct {
	mask         AccessMask
	sddl, dsacls string
}{
	{CreateChild, "CC", "CC"},
	{DeleteChild, "DC", "DC"},
	{ReadProperty, "RP", "RP"},
	{WriteProperty, "WP", "WP"},
	{ControlAccess, "CR", "CA"},
}

func (r right) letters() (sddl, dsacls string) {
	for _, letter := range letters {
		if r.mask&letter.mask != 0 {
			sddl, dsacls = sddl+letter.sddl, dsacls+letter.dsacls
		}
	}
	return sddl, dsacls
}

// Commands are what an administrator of the domain runs to give the rights, in both dialects. Running them again changes
// nothing. The error wraps ErrDelegation when a DN is none of the domain's, or can't be written in a command.
func (d Delegation) Commands(purposes ...Purpose) ([]Command, error) {
	bases := d.Bases
	if len(bases) == 0 {
		bases = []string{d.Domain.CustomerDN()}
	}
	if !d.Trustee.SID.Valid() || !printable(d.Trustee.Name+d.Server) {
		return nil, fmt.Errorf("%w to %q", ErrDelegation, d.Trustee.Name)
	}
	var commands []Command
	for _, base := range bases {
		if err := d.check(base); err != nil {
			return nil, err
		}
		for _, g := range grants {
			if !slices.Contains(purposes, g.purpose) {
				continue
			}
			g.rights = slices.DeleteFunc(slices.Clone(g.rights), func(r right) bool {
				return slices.ContainsFunc(d.LeaveOut, func(attribute string) bool { return strings.EqualFold(attribute, r.leaveOut) })
			})
			words := g.words + ", below " + base
			commands = append(commands, Command{DialectDsacls, g.purpose, words, d.dsacls(base, g)}, Command{DialectSambaTool, g.purpose, words, d.sambaTool(base, g)})
		}
	}
	return commands, nil
}

func (d Delegation) check(base string) error {
	dn, err := ldap.ParseDN(base)
	if err != nil {
		return fmt.Errorf("%w: %q is not a DN: %w", ErrDelegation, base, err)
	}
	domain, err := ldap.ParseDN(d.Domain.BaseDN())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDelegation, err)
	}
	if !domain.EqualFold(dn) && !domain.AncestorOfFold(dn) {
		return fmt.Errorf("%w: %s is not in %s", ErrDelegation, base, d.Domain.BaseDN())
	}
	if !printable(base) {
		return fmt.Errorf("%w: %q has characters that a shell would not pass on", ErrDelegation, base)
	}
	return nil
}

func printable(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) }

// dsacls is Microsoft's page "DsAcls Syntax": /I:S lets the entries count for the objects below alone, /I:T for the object
// too, and one /G takes all that is granted. It looks extended rights up by the names that they have in English.
func (d Delegation) dsacls(base string, g grant) string {
	inheritance := "/I:S"
	if g.itself {
		inheritance = "/I:T"
	}
	line := []string{"dsacls", forCmd(base), inheritance, "/G"}
	for _, r := range g.rights {
		_, letters := r.letters()
		spec := d.Domain.NetBIOS + `\` + d.Trustee.Name + ":" + letters + ";" + r.objectName
		if r.className != "" {
			spec += ";" + r.className
		}
		line = append(line, forCmd(spec))
	}
	return strings.Join(line, " ")
}

// sambaTool's connection is signed with the administrator's password or ticket, by Samba's default. Over LDAPS the program
// would need three options more, other ones in each version.
func (d Delegation) sambaTool(base string, g grant) string {
	flags := "CIIO"
	if g.itself {
		flags = "CI"
	}
	var sddl strings.Builder
	for _, r := range g.rights {
		letters, _ := r.letters()
		fmt.Fprintf(&sddl, "(OA;%s;%s;%s;%s;%s)", flags, letters, optional(r.object), optional(r.class), d.Trustee.SID)
	}
	server := d.Server
	if server == "" {
		server = d.Domain.Name
	}
	return "samba-tool dsacl set -H " + forShell("ldap://"+server) + " -U " + forShell(d.Domain.NetBIOS+`\Administrator`) + " --objectdn=" + forShell(base) + " --sddl=" + forShell(sddl.String())
}

func optional(guid GUID) string {
	if guid == (GUID{}) {
		return ""
	}
	return guid.String()
}

// forShell quotes for a POSIX shell, in which nothing has a meaning between single quotes.
func forShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// forCmd quotes for the prompt of cmd.exe and for the program's own splitting of its command line (Microsoft, "Parsing C
// command-line arguments"). Where quotes would not hold cmd.exe off, each character that it looks at gets a caret: a
// variable whose name ends with one is not defined, so that percent signs stay.
func forCmd(s string) string {
	var quoted strings.Builder
	quoted.WriteByte('"')
	backslashes := 0
	for _, r := range s {
		switch r {
		case '\\':
			backslashes++
			continue
		case '"':
			quoted.WriteString(strings.Repeat(`\`, 2*backslashes+1))
		default:
			quoted.WriteString(strings.Repeat(`\`, backslashes))
		}
		backslashes = 0
		quoted.WriteRune(r)
	}
	quoted.WriteString(strings.Repeat(`\`, 2*backslashes) + `"`)
	if !strings.ContainsAny(s, `"%`) {
		return quoted.String()
	}
	var carets strings.Builder
	for _, r := range quoted.String() {
		if strings.ContainsRune(`()%!^"<>&|`, r) {
			carets.WriteByte('^')
		}
		carets.WriteRune(r)
	}
	return carets.String()
}
