package e2e

import (
	"strings"
	"testing"
)

// says holds what a program's output must have in it.
func says(t *testing.T, what, said string, code int, wants ...string) {
	t.Helper()
	if code != 0 {
		t.Errorf("%s: %d %s", what, code, said)
		return
	}
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("%s does not say %q:\n%s", what, want, said)
		}
	}
}

// mit is what MIT's programs do with tickets: kinit, klist, kvno, kdestroy.
func mit(t *testing.T, s *server, m *machine, r realm) {
	jane := r.principal("jane")
	run := func(args ...string) (string, int) { return m.run(t, firstPassword+"\n", args...) }
	ok := func(args []string, wants ...string) {
		t.Helper()
		said, code := run(args...)
		says(t, strings.Join(args, " "), said, code, wants...)
	}
	const strong = "aes256-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96"
	ok([]string{"kinit", "-f", "-p", "-r", "3d", "-l", "2h", jane})
	ok([]string{"klist", "-e", "-f"}, "Default principal: "+jane, "krbtgt/CORP.EXAMPLE.COM@CORP.EXAMPLE.COM", "Flags: FPRIA", strong)
	found, code := openldap(t, s, "ldapsearch", "", "-LLL", "-D", corpAdmin, "-w", adminPassword, "-b", corpBase, "(sAMAccountName=web)", "msDS-KeyVersionNumber")
	if code != 0 {
		t.Fatal(found)
	}
	ok([]string{"kvno", "-e", "aes256-cts", webService}, webService+"@CORP.EXAMPLE.COM: kvno = "+attribute(found, "msDS-KeyVersionNumber"))
	ok([]string{"kvno", "ldap/dc1.corp.example.com", "host/dc1.corp.example.com", "cifs/DC1"})
	ok([]string{"kvno", "--u2u", "/run/tickets", jane})
	ok([]string{"klist", "-e", "-f"}, "Flags: FPRA\n", "Flags: FPRAO\n", strong)
	if said, code := run("kvno", "HTTP/nowhere.example.com"); code == 0 || !strings.Contains(said, "not found in Kerberos database") {
		t.Errorf("kvno of a service that is not there: %d %s", code, said)
	}
	ok([]string{"kinit", "-R"})
	ok([]string{"klist", "-f"}, "Flags: FPRA\n")
	ok([]string{"kinit", "-c", "/run/armored", "-T", "/run/tickets", jane}) // FAST
	ok([]string{"kdestroy"})
	if said, code := run("klist", "-s"); code == 0 {
		t.Errorf("after kdestroy: %s", said)
	}
	for _, each := range [][]string{
		{"kinit", "-C", "JANE@CORP.EXAMPLE.COM"}, {"kinit", "-C", "-E", "Jane@Corp.Example.com"}, {"kinit", "-C", "jane@corp.example.com"}, {"kinit", "-a", "jane"},
	} {
		ok(each)
		ok([]string{"klist"}, "Default principal: "+jane)
	}
}

// refusals: who is not to log in does not, for AD's reasons, and wrong passwords count as they do over LDAP.
func refusals(t *testing.T, s *server, m *machine, r realm) {
	for name, want := range map[string]string{
		"off": "credentials have been revoked", "shut": "credentials have been revoked", "nobody": "not found in Kerberos database", "Crew": "not found in Kerberos database",
	} {
		if err := m.kinit(t, r.principal(name), firstPassword); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.kinit(t, "jane@NOWHERE.EXAMPLE.COM", firstPassword); err == nil || !strings.Contains(err.Error(), "Cannot find KDC") {
		t.Errorf("another realm: %v", err)
	}
	kim := r.principal("kim")
	for range 3 {
		if err := m.kinit(t, kim, nextPassword); err == nil || !strings.Contains(err.Error(), "Password incorrect") && !strings.Contains(err.Error(), "Preauthentication failed") {
			t.Errorf("a wrong password: %v", err)
		}
	}
	if err := m.kinit(t, kim, firstPassword); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("after three wrong passwords: %v", err)
	}
	if data := login(t, s, `CORP\kim`, firstPassword); data != "775" {
		t.Errorf("over LDAP: data %q, want 775", data)
	}
	callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "kim", firstPassword)).accepted(t)
	if err := m.kinit(t, kim, firstPassword); err != nil {
		t.Errorf("after the reset: %v", err)
	}
}

// kpasswd: users change their passwords, those who must by kinit itself, within the policy.
func kpasswd(t *testing.T, s *server, m *machine, r realm) {
	const chosen = marker + "-chosen-Lamp"
	change := func(old, password string) (string, int) {
		return m.run(t, old+"\n"+password+"\n"+password+"\n", "kpasswd", r.principal("kim"))
	}
	if said, code := change(nextPassword, chosen); code == 0 {
		t.Errorf("with a wrong password: %s", said)
	}
	for _, bad := range []string{"Sh0rt~", "allsmallletters", firstPassword} {
		if said, code := change(firstPassword, bad); code == 0 || !strings.Contains(said, "Password change rejected") {
			t.Errorf("to %s: %d %s", bad, code, said)
		}
	}
	said, code := change(firstPassword, chosen)
	says(t, "kpasswd", said, code, "Password changed.")
	if err := m.kinit(t, r.principal("kim"), chosen); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	if err := m.kinit(t, r.principal("kim"), firstPassword); err == nil {
		t.Error("with the old password")
	}
	logins(t, s, `CORP\kim`, firstPassword, chosen)

	said, code = m.run(t, firstPassword+"\n"+chosen+"\n"+chosen+"\n", "kinit", r.principal("must"))
	says(t, "kinit of who must change", said, code, "Password expired")
	logins(t, s, `CORP\must`, firstPassword, chosen)
}
