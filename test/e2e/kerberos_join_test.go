package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestJoin: a machine that knows nothing but the domain's name finds it (realm), joins it (adcli), logs its users in (sssd), and
// serves them files (Samba).
func TestJoin(t *testing.T) {
	t.Parallel()
	s, r := inRealm(t, "127.82.42.1")
	const host = "127.82.42.2"
	files := sssdFiles(t, s, `id_provider = ad
access_provider = ad
ad_gpo_access_control = disabled
dyndns_update = false
krb5_ccachedir = /run
`)
	files["hosts"] = "127.0.0.1 localhost\n" + host + " host1." + r.name + " host1\n"
	files["share/hello"] = "hello"
	files["samba/smb.conf"] = memberConfiguration(host)
	m := r.machine(t, files)
	ok := func(input string, args []string, wants ...string) {
		t.Helper()
		said, code := m.run(t, input, args...)
		says(t, strings.Join(args, " "), said, code, wants...)
	}
	ok("", []string{"realm", "discover", "--install=/", r.name}, "realm-name: CORP.EXAMPLE.COM", "domain-name: corp.example.com", "server-software: active-directory")
	ok(adminPassword, []string{
		"adcli", "join", "--verbose", "--domain=" + r.name, "--login-user=Admin", "--stdin-password", "--os-name=Debian", "--service-name=host", "--service-name=cifs", "--add-samba-data",
	}, "Set computer password", "Discovered which keytab salt to use")
	found := entry(t, s, corpAdmin, corpBase, "HOST1$")
	for _, want := range []string{
		"dn: CN=HOST1,OU=Computers,OU=CORP," + corpBase, "dNSHostName: host1.corp.example.com", "servicePrincipalName: host/host1.corp.example.com",
		"servicePrincipalName: cifs/HOST1", "operatingSystem: Debian", "userAccountControl: 69632", "msDS-SupportedEncryptionTypes: 28",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not in %s", want, found)
		}
	}
	ok("", []string{"adcli", "testjoin"})
	ok("", []string{"klist", "-k", "-e"}, "HOST1$@CORP.EXAMPLE.COM (aes256-cts-hmac-sha1-96)")
	m.sssd(t)
	ok("", []string{"id", "-Gn", "jane"}, "domain users", "crew", "everyone")
	consumed(t, s, func(user, password string) error {
		said, code := m.su(t, user, password, "id -un; klist")
		if code == 0 && !strings.Contains(said, "Default principal: "+r.principal(user)) {
			t.Errorf("%s has no ticket: %s", user, said)
		}
		return refusal(said, code)
	})
	servesFiles(t, m, r, host)
	ok("", []string{"adcli", "update", "--verbose", "--computer-password-lifetime=0"}, "Changed computer password", "kvno incremented to 2")
	ok("", []string{"kinit", "-k", "HOST1$"})
	ok("", []string{"kvno", "-k", "/etc/krb5.keytab", "host/host1.corp.example.com"}, "kvno = 2, keytab entry valid")
	ok(adminPassword, []string{"adcli", "delete-computer", "--domain=" + r.name, "--login-user=Admin", "--stdin-password", "HOST1"})
	if said, code := m.run(t, "", "kinit", "-k", "HOST1$"); code == 0 || !strings.Contains(said, "not found in Kerberos database") {
		t.Errorf("after its account is deleted: %d %s", code, said)
	}
	s.stop()
	noSecrets(t, s)
}

// memberConfiguration is Samba's as a member of the realm, at one address.
func memberConfiguration(address string) string {
	return `[global]
workgroup = CORP
realm = CORP.EXAMPLE.COM
security = ads
kerberos method = secrets and keytab
dedicated keytab file = /etc/krb5.keytab
interfaces = ` + address + `/32
bind interfaces only = yes
disable netbios = yes
smb ports = 445
idmap config * : backend = tdb
idmap config * : range = 3000-7999
idmap config CORP : backend = sss
idmap config CORP : range = 200000-2000200000
load printers = no
[share]
path = /etc/share
read only = yes
`
}

// servesFiles: Samba lets those in whose ticket says that they are of the group: it can't ask the domain by RPC, and has the
// ticket's PAC alone. What number a group has, sssd tells.
func servesFiles(t *testing.T, m *machine, r realm, address string) {
	for _, each := range []string{"smbd", "winbindd"} {
		installed(t, "/usr/sbin/"+each, "samba winbind")
	}
	ip := func(verb string) error {
		return exec.Command("ip", "address", verb, address+"/32", "dev", "lo").Run()
	}
	if err := ip("add"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ip("del") })
	if said, code := m.run(t, "", "sh", "-c", "chgrp crew /etc/share && chmod 0750 /etc/share"); code != 0 {
		t.Fatal(said)
	}
	for _, each := range []string{"winbindd", "smbd"} {
		m.daemon(t, each, "--foreground", "--debug-stdout")
	}
	list := func(user, password string) (string, int) {
		if err := m.kinit(t, r.principal(user), password); err != nil {
			t.Fatal(err)
		}
		return m.run(t, "", "smbclient", "--use-krb5-ccache=FILE:/run/tickets", "//host1."+r.name+"/share", "-c", "ls")
	}
	await(t, "a share", func() bool {
		said, code := list("jane", nextPassword)
		return code == 0 && strings.Contains(said, "hello")
	})
	if said, code := list("joe", firstPassword); code == 0 || !strings.Contains(said, "NT_STATUS_ACCESS_DENIED") {
		t.Errorf("who is not in the group: %d %s", code, said)
	}
	if said, code := m.run(t, "wrong\n", "smbclient", "--use-kerberos=off", "--user=CORP\\jane%"+nextPassword, "//host1."+r.name+"/share", "-c", "ls"); code == 0 {
		t.Errorf("by NTLM: %s", said)
	}
}
