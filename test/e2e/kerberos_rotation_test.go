package e2e

import (
	"strings"
	"testing"
)

// rotates is what a rotation function does, and how it knows that it has: with the current password a ticket is had; after
// ResetUserPassword there is one for the new password at once, and none for the old; so is a keytab that is made of it.
func rotates(t *testing.T, s *server, r realm, id, account string) {
	t.Helper()
	m := r.machine(t, nil)
	user := r.principal(account)
	if err := m.kinit(t, user, firstPassword); err != nil {
		t.Errorf("with the current password: %v", err)
	}
	commandLine(t, s)(t, home, "ResetUserPassword", reset(id, account, nextPassword)).accepted(t)
	if err := m.kinit(t, user, nextPassword); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	if err := m.kinit(t, user, firstPassword); err == nil || !strings.Contains(err.Error(), "Password incorrect") && !strings.Contains(err.Error(), "Preauthentication failed") {
		t.Errorf("with the old password: %v", err)
	}
	// -f asks the realm for the salt.
	script := "addent -password -p " + user + " -k 1 -e aes256-cts-hmac-sha1-96 -f\n" + nextPassword + "\nwkt /run/user.keytab\n"
	if said, code := m.run(t, script, "ktutil"); code != 0 {
		t.Fatalf("ktutil: %d %s", code, said)
	}
	if said, code := m.run(t, "", "kinit", "-k", "-t", "/run/user.keytab", user); code != 0 {
		t.Errorf("with the keytab: %d %s", code, said)
	}
	if said, code := m.run(t, "", "klist"); code != 0 || !strings.Contains(said, "krbtgt/"+r.principal(strings.ToUpper(r.name))) {
		t.Errorf("klist: %d %s", code, said)
	}
}
