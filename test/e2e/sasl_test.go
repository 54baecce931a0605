package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/go-ldap/ldap/v3/gssapi"

	"latchkey/internal/config"
)

// joined is a client that knows the directories by their names alone, and has tickets.
type joined struct {
	s       *server
	address string
	dir     string
}

// join makes one for a server whose every service is at its own port of the address.
func join(t *testing.T, s *server, address string) joined {
	t.Helper()
	j := joined{s, address, t.TempDir()}
	for name, args := range map[string][]string{"krb5.conf": {"krb5-conf", "--dns", corpID}, "addresses.conf": {"krb5-conf", corpID}} {
		conf, code := latchkey(t, s, args...)
		if code != 0 {
			t.Fatalf("%v: %s", args, conf)
		}
		j.write(t, name, conf)
	}
	j.write(t, "smb.conf", "[global]\nworkgroup = CORP\nrealm = CORP.EXAMPLE.COM\ninterfaces = 127.0.0.1/8\nlock directory = "+j.dir+"\nstate directory = "+j.dir+
		"\ncache directory = "+j.dir+"\nprivate dir = "+j.dir+"\n")
	return j
}

func (j joined) file(name string) string { return filepath.Join(j.dir, name) }

func (j joined) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(j.file(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a program as the user whose tickets these are.
func (j joined) run(t *testing.T, user string, args ...string) (said string, code int) {
	t.Helper()
	return resolving(t, j.s, j.address, append([]string{
		"env", "KRB5_CONFIG=" + j.file("krb5.conf"), "KRB5CCNAME=FILE:" + j.file(user), "LDAPTLS_CACERT=" + j.s.caFile(), "LDAPTLS_REQCERT=allow", "SMB_CONF_PATH=" + j.file("smb.conf"),
	}, args...)...)
}

// login gets a user's ticket by a keytab.
func (j joined) login(t *testing.T, id, user, realm string) {
	t.Helper()
	file := j.file(user + ".keytab")
	if said, code := latchkey(t, j.s, "keytab", id, user, "-o", file); code != 0 {
		t.Fatalf("keytab: %s", said)
	}
	if said, code := j.run(t, user, program(t, "kinit", "krb5-user"), "-k", "-t", file, user+"@"+realm); code != 0 {
		t.Fatalf("kinit: %s", said)
	}
}

// sasl runs one of OpenLDAP's programs with a SASL mechanism.
func (j joined) sasl(t *testing.T, user, tool, mechanism, options string, args ...string) (said string, code int) {
	t.Helper()
	// Without -N the name of whoever has the address is taken for the service's.
	all := []string{program(t, tool, "ldap-utils"), "-Q", "-N", "-Y", mechanism}
	if options != "" {
		all = append(all, "-O", options)
	}
	if len(args) == 0 || args[0] != "-H" {
		all = append(all, "-H", "ldap://dc1.corp.example.com")
	}
	return j.run(t, user, append(all, args...)...)
}

// TestKerberosOverLDAP: who has a ticket binds by GSSAPI and GSS-SPNEGO, signs and seals.
func TestKerberosOverLDAP(t *testing.T) {
	t.Parallel()
	const address = "127.53.7.2"
	s := start(t, worldSeed, func(c *config.Config) {
		c.LDAPListen, c.LDAPSListen, c.DNSListen, c.KDCListen, c.KpasswdListen = address+":389", address+":636", address+":53", address+":88", address+":464"
	})
	j := join(t, s, address)
	j.login(t, corpID, "jane", "CORP.EXAMPLE.COM")
	j.login(t, corpID, "Admin", "CORP.EXAMPLE.COM")
	j.login(t, corpID, "kim.js", "CORP.EXAMPLE.COM")
	j.login(t, labID, "lee.cli", "LAB.EXAMPLE.COM")

	for _, mechanism := range []string{"GSSAPI", "GSS-SPNEGO"} {
		for _, options := range []string{"", "minssf=56", "minssf=256", "minssf=1,maxssf=1", "maxssf=0"} {
			if said, code := j.sasl(t, "jane", "ldapwhoami", mechanism, options); code != 0 || said != "u:CORP\\jane\n" {
				t.Errorf("%s %s: %d %s", mechanism, options, code, said)
			}
		}
		if said, code := j.sasl(t, "lee.cli", "ldapwhoami", mechanism, "", "-H", "ldap://dc1.lab.example.com"); code != 0 || said != "u:LAB\\lee.cli\n" {
			t.Errorf("%s in another directory: %d %s", mechanism, code, said)
		}
		// More than one token's worth, sealed and signed.
		for _, options := range []string{"minssf=56", "minssf=1,maxssf=1"} {
			said, code := j.sasl(t, "jane", "ldapsearch", mechanism, options, "-LLL", "-b", corpBase, "-E", "pr=50/noprompt")
			if code != 0 || strings.Count(said, "\ndn: ") < 60 || len(said) < 40<<10 {
				t.Errorf("%s %s: %d, %d entries in %d bytes", mechanism, options, code, strings.Count(said, "\ndn: "), len(said))
			}
		}
		if said, code := j.sasl(t, "jane", "ldapwhoami", mechanism, "maxssf=0", "-ZZ"); code != 0 || said != "u:CORP\\jane\n" {
			t.Errorf("%s under TLS: %d %s", mechanism, code, said)
		}
	}
	for name, c := range map[string]struct {
		mechanism string
		args      []string
		code      int
		want      string
	}{
		"under TLS":         {"GSSAPI", []string{"-H", "ldaps://dc1.corp.example.com"}, 0, `u:CORP\jane`},
		"a layer under TLS": {"GSS-SPNEGO", []string{"-ZZ"}, 53, "Cannot bind using sign/seal on a connection on which TLS or SSL is in effect"},
		"as oneself":        {"GSSAPI", []string{"-X", `u:CORP\jane`}, 0, `u:CORP\jane`},
		"as oneself, by DN": {"GSSAPI", []string{"-X", "dn:" + janeDN}, 0, `u:CORP\jane`},
		"as somebody else":  {"GSSAPI", []string{"-X", "u:Admin"}, 50, "one can't act as somebody else"},
		"an unknown":        {"DIGEST-MD5", nil, 7, ""},
	} {
		if said, code := j.sasl(t, "jane", "ldapwhoami", c.mechanism, "", c.args...); code != c.code && c.mechanism != "DIGEST-MD5" || !strings.Contains(said, c.want) {
			t.Errorf("%s: %d %s", name, code, said)
		}
	}
	t.Run("passwords", func(t *testing.T) { j.setsPasswords(t) })
	t.Run("barred", func(t *testing.T) { j.barred(t) })
	t.Run("Samba", func(t *testing.T) { j.samba(t) })
	t.Run("go-ldap", func(t *testing.T) { j.goLDAP(t) })
	said, code := openldap(t, s, "ldapsearch", "", "-LLL", "-b", "", "-s", "base", "supportedSASLMechanisms")
	if want := "dn:\nsupportedSASLMechanisms: GSSAPI\nsupportedSASLMechanisms: GSS-SPNEGO\n\n"; code != 0 || said != want {
		t.Errorf("the rootDSE: %d %q", code, said)
	}
	s.stop()
	noSecrets(t, s)
}

// setsPasswords: a password passes where nobody can read it.
func (j joined) setsPasswords(t *testing.T) {
	dn := "CN=kim.cli," + berlinDN
	j.write(t, "reset.ldif", replacePassword(dn, nextPassword))
	for how, want := range map[string]int{"GSSAPI minssf=56": 0, "GSS-SPNEGO minssf=56": 0, "GSSAPI minssf=1,maxssf=1": 53, "GSSAPI maxssf=0": 53, "GSS-SPNEGO maxssf=0": 53} {
		mechanism, options, _ := strings.Cut(how, " ")
		said, code := j.sasl(t, "Admin", "ldapmodify", mechanism, options, "-f", j.file("reset.ldif"))
		if code != want || code != 0 && !strings.Contains(said, "0000001F") {
			t.Errorf("%s: %d %s", how, code, said)
		}
	}
	if data := login(t, j.s, "kim.cli@corp.example.com", nextPassword); data != "" {
		t.Errorf("the new password does not log in: %s", data)
	}
}

// barred: a ticket of somebody who may not log in any more is worth nothing.
func (j joined) barred(t *testing.T) {
	dn := "CN=kim.js," + berlinDN
	as := func() (string, int) { return j.sasl(t, "kim.js", "ldapwhoami", "GSSAPI", "") }
	if said, code := as(); code != 0 {
		t.Fatalf("before: %d %s", code, said)
	}
	admin := []string{"-D", corpAdmin, "-w", adminPassword}
	if said, code := openldap(t, j.s, "ldapmodify", "dn: "+dn+"\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n", admin...); code != 0 {
		t.Fatal(said)
	}
	if said, code := as(); code != 49 || !strings.Contains(said, "data 533") {
		t.Errorf("disabled: %d %s", code, said)
	}
	if said, code := openldap(t, j.s, "ldapdelete", dn+"\n", admin...); code != 0 {
		t.Fatal(said)
	}
	if said, code := as(); code != 49 || !strings.Contains(said, "data 525") {
		t.Errorf("deleted: %d %s", code, said)
	}
}

// samba: Samba's clients have an LDAP, a negotiation and a Kerberos of their own.
func (j joined) samba(t *testing.T) {
	ldbsearch := program(t, "ldbsearch", "ldb-tools")
	for _, wrapping := range []string{"plain", "sign", "seal"} {
		said, code := j.run(t, "jane", ldbsearch, "-H", "ldap://dc1.corp.example.com", "--use-kerberos=required", "--use-krb5-ccache="+j.file("jane"), "--option=client ldap sasl wrapping="+wrapping,
			"-b", corpBase, "(sAMAccountName=jane)", "sAMAccountName")
		if code != 0 || !strings.Contains(said, "sAMAccountName: jane\n") {
			t.Errorf("ldbsearch, %s: %d %s", wrapping, code, said)
		}
	}
	said, code := j.run(t, "jane", program(t, "net", "samba-common-bin"), "ads", "search", "(sAMAccountName=jane)", "sAMAccountName", "--use-kerberos=required", "--use-krb5-ccache="+j.file("jane"))
	if code != 0 || !strings.Contains(said, "sAMAccountName: jane\n") {
		t.Errorf("net ads search: %d %s", code, said)
	}
}

// goLDAP: a client all in Go, which wants no proof of the server and no layer.
func (j joined) goLDAP(t *testing.T) {
	client, err := gssapi.NewClientFromCCache(j.file("jane"), j.file("addresses.conf"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, c := range map[string]struct{ service, identity, want string }{
		"":                     {"ldap/dc1.corp.example.com", "", `u:CORP\jane`},
		"of the domain":        {"ldap/corp.example.com", "", `u:CORP\jane`},
		"as oneself":           {"ldap/dc1.corp.example.com", "u:jane", `u:CORP\jane`},
		"as somebody else":     {"ldap/dc1.corp.example.com", "u:Admin", ""},
		"a user's, not LDAP's": {"jane", "", ""},
	} {
		conn, err := ldap.DialURL("ldap://" + j.address)
		if err != nil {
			t.Fatal(err)
		}
		err = conn.GSSAPIBind(client, c.service, c.identity)
		said := fmt.Sprint(err)
		if err == nil {
			who, err := conn.WhoAmI(nil)
			if err != nil {
				t.Fatal(err)
			}
			said = who.AuthzID
		}
		if (err == nil) != (c.want != "") || err == nil && said != c.want {
			t.Errorf("%s %s: %s", name, c.service, said)
		}
		_ = conn.Close()
	}
}
