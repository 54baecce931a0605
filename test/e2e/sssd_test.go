package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sssdFiles are a machine's whose users come from sssd. domain is how it reaches its one domain.
func sssdFiles(t *testing.T, s *server, domain string) map[string]string {
	t.Helper()
	return map[string]string{
		"nsswitch.conf":          "passwd: files sss\ngroup: files sss\nshadow: files\nhosts: files dns\n",
		"pam.d/su":               "auth sufficient pam_rootok.so\nauth required pam_sss.so\naccount required pam_sss.so\nsession required pam_sss.so\n",
		"pam.d/passwd":           "password required pam_sss.so\n",
		"login.defs":             "FAIL_DELAY 0\n", // for su
		"ssl/certs/latchkey.pem": s.ca(t),
		"sssd/sssd.conf": "[sssd]\nservices = nss, pam\ndomains = corp.example.com\n[nss]\nmemcache_timeout = 0\n[domain/corp.example.com]\n" +
			"cache_credentials = false\nldap_tls_cacert = /etc/ssl/certs/latchkey.pem\nldap_tls_reqcert = demand\n" +
			"override_homedir = /\ndefault_shell = /bin/sh\n" + domain,
	}
}

// sssd runs sssd on the machine, until the test ends.
func (m *machine) sssd(t *testing.T) {
	t.Helper()
	m.daemon(t, installed(t, "/usr/sbin/sssd", "sssd-ad"), "-i", "--logger=stderr")
	await(t, "sssd", func() bool {
		_, code := m.run(t, "", "getent", "passwd", "jane")
		return code == 0
	})
}

// su logs a user in, as nobody: who is root needs no password.
func (m *machine) su(t *testing.T, user, password, run string) (said string, code int) {
	t.Helper()
	return m.run(t, password+"\n", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "su", user, "-c", run)
}

// TestSSSD: a Linux machine's users and groups are the directory's, and log in by its passwords (sssd, over LDAPS).
func TestSSSD(t *testing.T) {
	t.Parallel()
	s := start(t, consumerSeed)
	m := newMachine(t, "host1", sssdFiles(t, s, fmt.Sprintf(`id_provider = ldap
ldap_uri = %s
ldap_schema = ad
ldap_id_mapping = true
ldap_referrals = false
ldap_search_base = %s
ldap_default_bind_dn = CN=svc,OU=Users,%s
ldap_default_authtok = %s
`, s.LDAPS, corpBase, customerDN, adminPassword)))
	m.sssd(t)
	knowsJane(t, m)
	consumed(t, s, func(user, password string) error {
		said, code := m.su(t, user, password, "id -un")
		if code == 0 && !strings.HasSuffix(strings.TrimSpace(said), user) {
			t.Errorf("%s is %q", user, said)
		}
		return refusal(said, code)
	})
	changesPassword(t, m)
	s.stop()
	noSecrets(t, s)
}

// changesPassword: a user sets another password with passwd, where the old one is right and the new one good.
func changesPassword(t *testing.T, m *machine) {
	t.Helper()
	const chosen = marker + "-chosen-Lamp"
	change := func(old, password string) (string, int) {
		return m.run(t, old+"\n"+password+"\n"+password+"\n", "setpriv", "--reuid=joe", "--clear-groups", "--regid=nogroup", "passwd")
	}
	if said, code := change(nextPassword, chosen); code == 0 {
		t.Errorf("passwd with a wrong password: %s", said)
	}
	if said, code := change(firstPassword, "short"); code == 0 {
		t.Errorf("passwd to a short one: %s", said)
	}
	if said, code := change(firstPassword, chosen); code != 0 {
		t.Errorf("passwd: %d %s", code, said)
	}
	for password, want := range map[string]bool{firstPassword: false, chosen: true} {
		if said, code := m.su(t, "joe", password, "true"); (code == 0) != want {
			t.Errorf("joe with %s: %d %s", password, code, said)
		}
	}
}

// knowsJane holds what the machine knows of a user, by her name and her number, and of her groups.
func knowsJane(t *testing.T, m *machine) {
	t.Helper()
	said, code := m.run(t, "", "getent", "passwd", "jane")
	fields := strings.Split(strings.TrimSpace(said), ":")
	if code != 0 || len(fields) != 7 || fields[0] != "jane" || fields[4] != "Jane Doe" {
		t.Fatalf("getent passwd: %d %s", code, said)
	}
	if said, code = m.run(t, "", "getent", "passwd", fields[2]); code != 0 || !strings.HasPrefix(said, "jane:") {
		t.Errorf("getent passwd %s: %d %s", fields[2], code, said)
	}
	said, code = m.run(t, "", "id", "-Gn", "jane")
	groups := strings.Split(strings.TrimSpace(said), " ")
	slices.Sort(groups)
	if want := []string{"Crew", "Domain", "Everyone", "Users"}; code != 0 || !slices.Equal(groups, want) {
		t.Errorf("the groups are %q, want %q", said, want)
	}
	if said, code = m.run(t, "", "getent", "group", "Crew"); code != 0 || !strings.HasSuffix(strings.TrimSpace(said), ":jane,off") {
		t.Errorf("getent group: %d %s", code, said)
	}
	if said, code = m.run(t, "", "id", "nobody-here"); code != 1 {
		t.Errorf("nobody: %d %s", code, said)
	}
}
