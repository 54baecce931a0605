// Package directorytest is the suite that every engine passes: what AD and AWS's rules demand of a directory, in LDAP's
// terms and through package directory. A real domain controller is the judge of what it asks.
package directorytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// Fixture is a fresh directory of an engine, as AWS hands it over, and a way to log in to it.
type Fixture struct {
	Conn   directory.Conn // may do everything
	Domain directory.Domain
	// Login is nil when the password is right and the account may be used, and otherwise an *ldap.Error whose text has
	// AD's data code.
	Login func(name, password string) error
}

const (
	oldPassword = "Winter-Sun-2025"
	newPassword = "Summer-Rain-2026"
)

// Run holds an engine against the suite. open makes a fresh directory of a kind.
func Run(t *testing.T, open func(t *testing.T, kind directory.Kind) Fixture) {
	for _, kind := range []directory.Kind{directory.SimpleAD, directory.MicrosoftAD} {
		t.Run(string(kind), func(t *testing.T) {
			f := &fixture{open(t, kind), t.Context()}
			t.Run("names", f.names)
			t.Run("people only", f.people)
			t.Run("passwords", f.passwords)
			t.Run("what a reset changes", f.effects)
			t.Run("a refusal changes nothing", f.refusals)
			t.Run("two at once", f.together)
			t.Run("links", f.links)
			t.Run("unique names", f.unique)
			t.Run("paging", f.paging)
			t.Run("rename and move", f.rename)
			if kind == directory.SimpleAD {
				t.Run("administrators", f.administrators)
			} else {
				t.Run("the customer's OU", f.units)
			}
		})
	}
}

// fixture adds what the scenarios have in common.
type fixture struct {
	Fixture
	ctx context.Context
}

func (f *fixture) add(t *testing.T, dn string, attributes map[string][]string) {
	t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}
	if err := f.Conn.Add(f.ctx, request); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

// user adds a person with a password, enabled, and gives the DN.
func (f *fixture) user(t *testing.T, name string) string {
	t.Helper()
	dn := "CN=" + ldap.EscapeDN(name) + "," + f.Domain.UsersDN()
	f.userAt(t, dn, name)
	return dn
}

func (f *fixture) userAt(t *testing.T, dn, name string) {
	t.Helper()
	f.add(t, dn, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}})
	f.modify(t, dn, func(m *ldap.ModifyRequest) {
		m.Replace("unicodePwd", []string{string(directory.EncodePassword([]byte(oldPassword)))})
		m.Replace("userAccountControl", []string{"512"})
	})
}

func (f *fixture) group(t *testing.T, name, groupType string) string {
	t.Helper()
	dn := "CN=" + name + "," + f.Domain.UsersDN()
	f.add(t, dn, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {name}, "groupType": {groupType}})
	return dn
}

func (f *fixture) modify(t *testing.T, dn string, change func(*ldap.ModifyRequest)) {
	t.Helper()
	request := ldap.NewModifyRequest(dn, nil)
	change(request)
	if err := f.Conn.Modify(f.ctx, request); err != nil {
		t.Fatalf("modify %s: %v", dn, err)
	}
}

func (f *fixture) join(t *testing.T, group, member string) {
	t.Helper()
	if err := directory.Join(f.ctx, f.Conn, group, member); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) reset(name, password string) error {
	_, err := directory.ResetPassword(f.ctx, f.Conn, f.Domain, name, []byte(password), directory.ResetOptions{Unlock: true})
	return err
}

func (f *fixture) read(t *testing.T, dn string, attributes ...string) *ldap.Entry {
	t.Helper()
	result, err := f.Conn.Search(f.ctx, ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", attributes, nil))
	if err != nil || len(result.Entries) != 1 {
		t.Fatalf("read %s: %v", dn, err)
	}
	return result.Entries[0]
}

func (f *fixture) whole(t *testing.T, dn string) string {
	t.Helper()
	var lines []string
	for _, attribute := range f.read(t, dn).Attributes {
		lines = append(lines, fmt.Sprintf("%s=%q", attribute.Name, attribute.Values))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// refused holds that a login is refused with AD's data code.
func (f *fixture) refused(t *testing.T, name, password, data string) {
	t.Helper()
	if err := f.Login(f.qualified(name), password); err == nil || !strings.Contains(err.Error(), "data "+data) {
		t.Errorf("login of %s: %v, want data %s", name, err, data)
	}
}

func (f *fixture) accepted(t *testing.T, name, password string) {
	t.Helper()
	if err := f.Login(f.qualified(name), password); err != nil {
		t.Errorf("login of %s: %v", name, err)
	}
}

func (f *fixture) qualified(name string) string { return f.Domain.NetBIOS + `\` + name }

// names: every character that an account name may have, in filters and in DNs; letters of either case; nothing that only
// looks like the name.
func (f *fixture) names(t *testing.T) {
	for _, name := range []string{"jane", "jane.doe", "o'brien", "a (b)", "x)(cn~y", "hash#tag", "#lead", "A&B", "cash$box", "two  spaces", "ÄÖÜ é", "漢字", "-dash-", "100%", "tilde~", "(", "back`tick", "!bang", strings.Repeat("n", 20)} {
		t.Run(name, func(t *testing.T) {
			dn := f.user(t, name)
			if err := f.reset(name, newPassword); err != nil {
				t.Fatal(err)
			}
			f.accepted(t, name, newPassword)
			f.refused(t, name, oldPassword, "52e")
			for _, other := range []string{strings.ToUpper(name), strings.ToLower(name)} {
				user, err := directory.FindUser(f.ctx, f.Conn, f.Domain, other)
				if err != nil || !strings.EqualFold(user.Name, name) || !sameDN(user.DN, dn) {
					t.Errorf("as %q: %+v, %v", other, user, err)
				}
			}
			for _, other := range []string{" " + name, name + " ", name + "x", name[:len(name)-1], "*", name + "*", name + "\x00", `\` + name} {
				if _, err := directory.FindUser(f.ctx, f.Conn, f.Domain, other); !errors.Is(err, directory.ErrNoSuchUser) {
					t.Errorf("as %q: %v", other, err)
				}
			}
		})
	}
}

// people: what is no person can't be reset, and stays as it is.
func (f *fixture) people(t *testing.T) {
	computer := "CN=PC1," + f.Domain.UsersDN()
	f.add(t, computer, map[string][]string{"objectClass": {"computer"}, "sAMAccountName": {"PC1$"}, "userAccountControl": {"4096"}})
	f.group(t, "staff-of-people", "-2147483646")
	for _, name := range []string{"PC1$", "pc1$", "PC1", "krbtgt", "KRBTGT", "staff-of-people", "Domain Admins", "nobody", "", "Users", f.Domain.NetBIOS + "$"} {
		if err := f.reset(name, newPassword); !errors.Is(err, directory.ErrNoSuchUser) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// passwords: the rules of the domain hold for a reset, and its history and minimum age do not.
func (f *fixture) passwords(t *testing.T) {
	dn := f.user(t, "pat")
	for _, c := range []struct {
		password string
		want     error
	}{
		{"Sh0rt!", directory.ErrPassword},
		{"alllowercase", directory.ErrPassword},
		{"lower and 123", directory.ErrPassword},
		{"Nul-\x00-1234", directory.ErrUnstorable},
		{"G00d-enough", nil},
		{"G00d-enough", nil}, // again: no history
		{oldPassword, nil},   // at once: no minimum age
		{"漢字漢字 aB3", nil},
		{"Quote\"s-and-\\1", nil},
		{"😀😀😀😀-aB3", nil},
		{strings.Repeat("aB3-", 31) + "xyz", nil},
	} {
		before := f.whole(t, dn)
		if err := f.reset("pat", c.password); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.password, err, c.want)
		}
		if c.want == nil {
			f.accepted(t, "pat", c.password)
		} else if after := f.whole(t, dn); after != before {
			t.Errorf("%q was refused and changed the entry:\n%s\n%s", c.password, before, after)
		}
	}
	policy := func(length string) {
		f.modify(t, f.Domain.BaseDN(), func(m *ldap.ModifyRequest) { m.Replace("minPwdLength", []string{length}) })
	}
	policy("14")
	defer policy("7")
	if err := f.reset("pat", "T00-short-now"); !errors.Is(err, directory.ErrPassword) {
		t.Errorf("the domain's minPwdLength does not count: %v", err)
	}
}

// effects: a reset enables, demands a password again, ends "must change", and leaves the other flags.
func (f *fixture) effects(t *testing.T) {
	for _, c := range []struct {
		name   string
		before string // userAccountControl
		after  string
	}{
		{"enabled", "512", "512"},
		{"disabled", "514", "512"},
		{"notreqd", "544", "512"},
		{"fresh", "546", "512"},
		{"noexpire", "66050", "66048"}, // DONT_EXPIRE_PASSWORD stays
		{"cantchange", "66082", "66048"},
		{"notdelegated", "1049088", "1049088"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dn := f.user(t, c.name)
			f.modify(t, dn, func(m *ldap.ModifyRequest) { m.Replace("userAccountControl", []string{c.before}) })
			if err := f.reset(c.name, newPassword); err != nil {
				t.Fatal(err)
			}
			if got := f.read(t, dn, "userAccountControl").GetAttributeValue("userAccountControl"); got != c.after {
				t.Errorf("userAccountControl %s became %s, want %s", c.before, got, c.after)
			}
			f.accepted(t, c.name, newPassword)
			f.refused(t, c.name, oldPassword, "52e")
		})
	}
	dn := f.user(t, "mustchange")
	f.modify(t, dn, func(m *ldap.ModifyRequest) { m.Replace("pwdLastSet", []string{"0"}) })
	f.refused(t, "mustchange", oldPassword, "773")
	if err := f.reset("mustchange", newPassword); err != nil {
		t.Fatal(err)
	}
	if f.read(t, dn, "pwdLastSet").GetAttributeValue("pwdLastSet") == "0" {
		t.Error("the password must still be changed")
	}
	f.accepted(t, "mustchange", newPassword)
	f.add(t, "CN=newborn,"+f.Domain.UsersDN(), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"newborn"}})
	if err := f.reset("newborn", newPassword); err != nil {
		t.Fatal(err)
	}
	f.accepted(t, "newborn", newPassword)
}

// refusals: a disabled user whose reset is refused is still disabled.
func (f *fixture) refusals(t *testing.T) {
	dn := f.user(t, "stays")
	f.modify(t, dn, func(m *ldap.ModifyRequest) { m.Replace("userAccountControl", []string{"514"}) })
	before := f.whole(t, dn)
	if err := f.reset("stays", "short"); !errors.Is(err, directory.ErrPassword) {
		t.Fatal(err)
	}
	if after := f.whole(t, dn); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	f.refused(t, "stays", oldPassword, "533")
}

func sameDN(a, b string) bool {
	left, err := ldap.ParseDN(a)
	if err != nil {
		return false
	}
	right, err := ldap.ParseDN(b)
	return err == nil && left.EqualFold(right)
}
