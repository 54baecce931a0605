package kdc_test

import (
	"crypto/rand"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// wrongPassword is how MIT's programs say it: the second, once they have nothing else to try.
const wrongPassword = "Password incorrect|Preauthentication failed"

// refusedWith holds that a program failed and said so; want is a regular expression.
func (r *realm) refusedWith(want, cache, input, program string, args ...string) {
	r.Helper()
	if out, err := r.run(cache, input, program, args...); err == nil || !regexp.MustCompile(want).MatchString(out) {
		r.Errorf("%s %q: %v, want %q\n%s", program, args, err, want, out)
	}
}

func TestKinit(t *testing.T) {
	r := newRealm(t, directory.MicrosoftAD)
	dn := r.user("jane", "userPrincipalName", "jane.doe@elsewhere.example")
	r.must("jane", password+"\n", "kinit", "-f", "-p", "-r", "7d", "jane")
	out := r.must("jane", "", "klist", "-e", "-f")
	for _, want := range []string{"jane@CORP.EXAMPLE.COM", "krbtgt/CORP.EXAMPLE.COM@CORP.EXAMPLE.COM", "Flags: FPRIA", "aes256-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	r.must("jane", "", "kinit", "-R")
	r.must("jane", "", "kvno", "ldap/dc1.corp.example.com", "cifs/dc1.corp.example.com", "DC1$", "krbtgt/CORP.EXAMPLE.COM")
	r.must("jane", "", "kdestroy")

	r.must("upn", password+"\n", "kinit", "-E", "-C", "jane.doe@elsewhere.example")
	if out := r.must("upn", "", "klist"); !strings.Contains(out, "Default principal: jane@CORP.EXAMPLE.COM") {
		t.Errorf("by an enterprise name:\n%s", out)
	}
	r.must("case", password+"\n", "kinit", "-C", "JANE")

	r.refusedWith(wrongPassword, "x", "wrong\n", "kinit", "jane")
	r.refusedWith("not found in Kerberos database", "x", "", "kinit", "nobody")
	r.refusedWith("not found in Kerberos database", "upn", "", "kvno", "nothing/nowhere")
	r.set(dn, "userAccountControl", "514")
	r.refusedWith("credentials have been revoked", "x", password+"\n", "kinit", "jane")
	r.refusedWith("credentials have been revoked", "upn", "", "kvno", "ldap/dc1")
}

// TestFAST: the armor is a machine's ticket, as sssd's.
func TestFAST(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	dn := r.user("jane")
	r.must("armor", "Pa55-of-the-boss\n", "kinit", "Administrator")
	armor := "FILE:" + filepath.Join(r.dir, "armor")
	r.must("jane", password+"\n", "kinit", "-T", armor, "jane")
	r.must("jane", "", "kvno", "ldap/dc1.corp.example.com")
	r.refusedWith(wrongPassword, "x", "wrong\n", "kinit", "-T", armor, "jane")
	r.refusedWith("not found in Kerberos database", "x", "", "kinit", "-T", armor, "nobody")
	r.set(dn, "userAccountControl", "514")
	r.refusedWith("credentials have been revoked", "x", password+"\n", "kinit", "-T", armor, "jane")
	r.set(dn, "userAccountControl", "512")
	r.set(dn, "pwdLastSet", "0")
	r.must("jane", password+"\nAn0ther-Password\nAn0ther-Password\n", "kinit", "-T", armor, "jane")
}

func TestUserToUser(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	r.user("jane")
	r.user("john")
	r.must("jane", password+"\n", "kinit", "jane")
	r.must("john", password+"\n", "kinit", "john")
	r.refusedWith("user2user only", "jane", "", "kvno", "john")
	r.must("jane", "", "kvno", "--u2u", "FILE:"+filepath.Join(r.dir, "john"), "john")
}

// TestRollKrbtgt: tickets under the former key are good, those under the one before it are not.
func TestRollKrbtgt(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	roll := func() {
		if _, err := directory.RollKrbtgt(t.Context(), r.conn, r.domain, []byte("aA1+"+rand.Text())); err != nil {
			t.Fatal(err)
		}
	}
	r.user("jane")
	r.must("jane", password+"\n", "kinit", "jane")
	roll()
	r.must("jane", "", "kvno", "ldap/dc1")
	r.must("new", password+"\n", "kinit", "jane")
	if out := r.must("new", "", "kvno", "krbtgt/CORP.EXAMPLE.COM"); !strings.Contains(out, "kvno = 2") {
		t.Error(out)
	}
	roll()
	r.must("new", "", "kvno", "ldap/dc1")
	r.refusedWith("integrity check", "jane", "", "kvno", "cifs/dc1")
}

func TestKpasswd(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	dn := r.user("jane")
	r.set(r.domain.BaseDN(), "minPwdAge", "0")
	change := func(old, next string) []string {
		return []string{old + "\n" + next + "\n" + next + "\n", "kpasswd", "jane"}
	}
	in := change(password, "N3w-Password")
	if out := r.must("jane", in[0], in[1], in[2]); !strings.Contains(out, "Password changed") {
		t.Error(out)
	}
	r.must("jane", "N3w-Password\n", "kinit", "jane")
	r.refusedWith(wrongPassword, "jane", password+"\n", "kinit", "jane")
	for next, want := range map[string]string{
		"short": "too short", "all-of-lower-case": "kinds", "N3w-Password": "one of the last 24", "Jane-is-1": "account's name",
	} {
		in := change("N3w-Password", next)
		r.refusedWith(want, "jane", in[0], in[1], in[2])
	}
	r.set(r.domain.BaseDN(), "minPwdAge", directory.Interval(24*time.Hour))
	in = change("N3w-Password", "An0ther-Password")
	r.refusedWith("minPwdAge", "jane", in[0], in[1], in[2])
	r.set(dn, "pwdLastSet", "0")
	r.must("jane", "N3w-Password\nAn0ther-Password\nAn0ther-Password\n", "kinit", "jane")
	r.set(dn, "userAccountControl", "576") // PASSWD_CANT_CHANGE
	in = change("An0ther-Password", "Y3t-Another-one")
	r.refusedWith("may not change", "jane", in[0], in[1], in[2])
}

// TestManyGroups: a ticket that is too large for a datagram comes over TCP.
func TestManyGroups(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	dn := r.user("jane")
	for i := range 40 {
		group := "CN=group" + string(rune('A'+i/26)) + string(rune('a'+i%26)) + "," + r.domain.UsersDN()
		if err := directory.Ensure(t.Context(), r.conn, group, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {strings.Split(group, ",")[0][3:]}}); err != nil {
			t.Fatal(err)
		}
		request := ldap.NewModifyRequest(group, nil)
		request.Add("member", []string{dn})
		if err := r.conn.Modify(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	r.configure("udp_preference_limit = 100000")
	r.must("jane", password+"\n", "kinit", "jane")
	r.must("jane", "", "kvno", "ldap/dc1")
}
