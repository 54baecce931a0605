package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/config"
)

// realm is a directory as a machine sees it that finds everything by DNS: the servers of both engines are at their own ports of
// an address.
type realm struct {
	name, address string
}

func (r realm) principal(user string) string { return user + "@" + strings.ToUpper(r.name) }

// machine is one that knows no more of the realm than its name and where its DNS server is.
func (r realm) machine(t *testing.T, files map[string]string) *machine {
	t.Helper()
	for _, each := range []string{"kinit", "klist", "kvno", "kpasswd", "kdestroy", "ktutil"} {
		program(t, each, "krb5-user")
	}
	all := map[string]string{
		"resolv.conf": "nameserver " + r.address + "\n",
		"hosts":       "127.0.0.1 localhost\n127.0.0.1 web." + r.name + "\n",
		"krb5.conf":   fmt.Sprintf("[libdefaults]\ndefault_realm = %s\nrdns = false\n", strings.ToUpper(r.name)),
	}
	maps.Copy(all, files)
	return newMachine(t, "host1."+r.name, all)
}

// kinit gets a ticket with a password.
func (m *machine) kinit(t *testing.T, principal, password string) error {
	t.Helper()
	return refusal(m.run(t, password+"\n", "kinit", principal))
}

const webService = "HTTP/web.corp.example.com"

// kerberosSeed has besides a web service's account, and accounts that a realm refuses, each for a reason of its own.
var kerberosSeed = strings.Replace(consumerSeed, "minAge: 0s", "minAge: 0s, lockoutThreshold: 3, lockoutDuration: 30m, lockoutWindow: 30m", 1) + `
      - {name: web, password: ` + adminPassword + `, attributes: {servicePrincipalName: ` + webService + `}}
      - {name: must, password: ` + firstPassword + `, mustChangePassword: true}
      - {name: shut, password: ` + firstPassword + `, locked: true}
      - {name: kim, password: ` + firstPassword + `}
`

// inRealm starts a server whose services are all where clients look for them that know nothing but the realm's name.
func inRealm(t *testing.T, address string) (*server, realm) {
	t.Helper()
	s := start(t, kerberosSeed, func(c *config.Config) {
		c.LDAPListen, c.LDAPSListen, c.DNSListen, c.KDCListen, c.KpasswdListen = address+":389", address+":636", address+":53", address+":88", address+":464"
	})
	return s, realm{"corp.example.com", address}
}

// TestKerberos: programs that none of us wrote get tickets from an embedded directory, use them, and lose them with the password.
func TestKerberos(t *testing.T) {
	t.Parallel()
	s, r := inRealm(t, "127.82.41.1")
	m := r.machine(t, nil)
	keys := filepath.Join(t.TempDir(), "web.keytab")
	if said, code := latchkey(t, s, "keytab", corpID, webService, "-o", keys); code != 0 {
		t.Fatalf("keytab: %d %s", code, said)
	}
	url := negotiating(t, keys)
	for _, each := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"MIT", func(t *testing.T) { mit(t, s, m, r) }},
		{"refusals", func(t *testing.T) { refusals(t, s, m, r) }},
		{"kpasswd", func(t *testing.T) { kpasswd(t, s, m, r) }},
		{"Heimdal", func(t *testing.T) { heimdal(t, m, r) }},
		{"curl", func(t *testing.T) { negotiates(t, s, m, r, url) }},
		{"Java", func(t *testing.T) { java(t, s, m, r, url) }},
		{"rotation", func(t *testing.T) { rotates(t, s, r, corpID, "jane") }},
	} {
		t.Run(each.name, each.run)
	}
	s.stop()
	noSecrets(t, s)
}
