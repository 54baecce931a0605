package remote

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

const (
	// maxSamples is how many users of each base are looked at, and maxLooked among how many they are chosen.
	maxSamples = 5
	maxLooked  = 200
	// persons are whom FindUser finds, but for the accounts that every domain has.
	persons = "(objectCategory=person)(objectClass=user)(!(isCriticalSystemObject=TRUE))"
)

// bases looks at each DN below which users are to be reset.
func (d *doctor) bases(ctx context.Context, _ string) {
	bases := d.ResetBases
	if len(bases) == 0 {
		bases = []string{d.domain.CustomerDN()}
	}
	d.samples = nil
	for _, base := range bases {
		if d.base(ctx, base) {
			d.rights(ctx, base)
			d.guarded(ctx, base)
		}
	}
}

// base checks that the DN is there, and that AWS's rules let users below it be reset.
func (d *doctor) base(ctx context.Context, base string) bool {
	name := "reset base " + base
	customer := d.domain.CustomerDN()
	if !below(base, customer) && !below(customer, base) {
		d.add(name, StatusFailed, "it is not in "+customer+", outside of which users can't be reset (ResetUserPassword)", "Name a DN in it; or attach the domain as SimpleAD, whose users may be anywhere.")
		return false
	}
	_, err := read(ctx, d.conn, base, "objectClass")
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) && len(d.ResetBases) == 0 && d.domain.Kind == directory.MicrosoftAD:
		d.add(name, StatusFailed, "there is no such OU, or the account does not see it; AWS keeps the users of a Managed Microsoft AD in the OU with the domain's NetBIOS name", "Create "+base+" and move the users there; or attach the domain as SimpleAD, whose users may be anywhere.")
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		d.add(name, StatusFailed, "there is no such object, or the account does not see it", "Correct the DN, or create the OU.")
	case err != nil:
		d.add(name, StatusFailed, err.Error(), "Let the account read it.")
	default:
		d.add(name, StatusOK, "it exists", "")
		return true
	}
	return false
}

// choose picks users from as many containers as possible: rights differ from OU to OU.
func choose(entries []*ldap.Entry) []string {
	var chosen, rest []string
	parents := map[string]bool{}
	for _, entry := range entries {
		_, parent, _ := strings.Cut(entry.DN, ",")
		if !parents[parent] {
			parents[parent] = true
			chosen = append(chosen, entry.DN)
		} else {
			rest = append(rest, entry.DN)
		}
	}
	chosen = append(chosen, rest...)
	return chosen[:min(len(chosen), maxSamples)]
}

// lack is what the account may not do that resets need.
type lack struct {
	write, read []string // attributes
	reset       bool     // the extended right
	unknown     bool     // whether it has the extended right
}

func (l lack) none() bool { return len(l.write) == 0 && len(l.read) == 0 && !l.reset }

func (l lack) String() string {
	var words []string
	if l.reset {
		words = append(words, `the extended right "Reset Password"`)
	}
	if len(l.write) > 0 {
		words = append(words, "the right to write "+strings.Join(l.write, ", "))
	}
	if len(l.read) > 0 {
		words = append(words, "the right to read "+strings.Join(l.read, ", "))
	}
	return strings.Join(words, ", and ")
}

// rights tries what the account may do to some users, without doing it.
func (d *doctor) rights(ctx context.Context, base string) {
	name := "rights in " + base
	entries, _, err := find(ctx, d.conn, base, ldap.ScopeWholeSubtree, "(&"+persons+"(!(adminCount=1)))", maxLooked, "distinguishedName")
	if err != nil {
		d.add(name, StatusFailed, "its users can't be searched: "+err.Error(), "Let the account read "+base+".")
		return
	}
	users := choose(entries)
	if len(users) == 0 {
		d.add(name, StatusWarning, "the account sees no user there, so its rights can't be tried", "Create a user there and check again; if there are users, let the account read them.")
		return
	}
	d.samples = append(d.samples, users...)
	unknown := false
	for _, dn := range users {
		l, err := d.lacks(ctx, dn)
		switch {
		case err != nil:
			d.add(name, StatusFailed, fmt.Sprintf("%s: %v", dn, err), "Let the account read "+dn+".")
			return
		case !l.none():
			d.add(name, StatusFailed, fmt.Sprintf("on %s the account lacks %s", dn, l), d.delegation(base))
			return
		}
		unknown = unknown || l.unknown
	}
	if unknown {
		d.add(name, StatusWarning, tried(users)+": all attributes can be written; whether the account has the extended right \"Reset Password\" can't be told, since it may not read their permissions", d.delegation(base))
		return
	}
	detail := tried(users)
	if len(d.LeaveOut) > 0 {
		detail += "; left as they are by resets: " + strings.Join(d.LeaveOut, ", ")
	}
	d.add(name, StatusOK, detail, "")
}

func tried(users []string) string {
	if len(users) == 1 {
		return "tried with " + users[0]
	}
	return fmt.Sprintf("tried with %d users, such as %s", len(users), users[0])
}

// lacks holds the account's rights on a user against what a reset needs.
func (d *doctor) lacks(ctx context.Context, dn string) (lack, error) {
	var l lack
	entry, err := read(ctx, d.conn, dn, "allowedAttributesEffective", "userAccountControl", "tokenGroups")
	if err != nil {
		return l, err
	}
	has := func(list []string, attribute string) bool {
		return slices.ContainsFunc(list, func(each string) bool { return strings.EqualFold(each, attribute) })
	}
	for _, attribute := range []string{"userAccountControl", "lockoutTime", "pwdLastSet"} {
		if !has(d.LeaveOut, attribute) && !has(entry.GetAttributeValues("allowedAttributesEffective"), attribute) {
			l.write = append(l.write, attribute)
		}
	}
	for _, attribute := range []string{"userAccountControl", "tokenGroups"} {
		if len(entry.GetRawAttributeValues(attribute)) == 0 {
			l.read = append(l.read, attribute)
		}
	}
	descriptor, err := directory.ReadDescriptor(ctx, d.conn, dn)
	switch {
	case err != nil && ctx.Err() != nil:
		return l, err
	case err != nil || len(d.tokens) == 0:
		l.unknown = true
	default:
		l.reset = !descriptor.Grants(d.tokens, directory.ControlAccess, directory.RightResetPassword)
	}
	return l, nil
}

// delegation is the commands that give what is missing.
func (d *doctor) delegation(base string) string {
	fallback := "Give the account the rights: latchkey directory delegation prints the commands."
	if d.trustee.Name == "" {
		return fallback
	}
	commands, err := directory.Delegation{Domain: d.domain, Trustee: d.trustee, Bases: []string{base}, LeaveOut: d.LeaveOut, Server: d.host}.Commands(directory.PurposeReset)
	if err != nil {
		return fallback
	}
	lines := []string{"As an administrator of the domain, on Windows or with Samba:"}
	for _, dialect := range []directory.Dialect{directory.DialectDsacls, directory.DialectSambaTool} {
		for _, command := range commands {
			if command.Dialect == dialect {
				lines = append(lines, command.Line)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// guarded names users whose rights AD itself puts back every hour (MS-ADTS section 3.1.1.6.1, AdminSDHolder).
func (d *doctor) guarded(ctx context.Context, base string) {
	name := "AdminSDHolder in " + base
	entries, more, err := find(ctx, d.conn, base, ldap.ScopeWholeSubtree, "(&"+persons+"(adminCount=1))", maxListed, "sAMAccountName")
	if err != nil {
		d.add(name, StatusSkipped, err.Error(), "")
		return
	}
	if len(entries) == 0 {
		d.add(name, StatusOK, "no user there is, or was, in a protected group (adminCount)", "")
		return
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.GetAttributeValue("sAMAccountName"))
	}
	d.add(name, StatusWarning, "rights that are given on the OU do not reach "+strings.Join(names, ", ")+andMore(more)+": they are, or were, in a protected group such as Domain Admins (adminCount=1)",
		"Leave administrators alone. For users who are none any more: clear adminCount, and let them inherit permissions again.")
}
