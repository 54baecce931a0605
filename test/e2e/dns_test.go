package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/config"
)

// resolving runs a command that asks this DNS server, at port 53, for every name.
func resolving(t *testing.T, s *server, address string, args ...string) (said string, code int) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root, for a mount namespace,", "run the tests as root")
	}
	resolver := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolver, []byte("nameserver "+address+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `mount --bind "$1" "$(readlink -m /etc/resolv.conf)" && shift && exec "$@"`
	command := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c", script, "sh", resolver}, args...)...)
	command.Env = append(environment(t, s), "PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
	out, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// administration is Debian's program of that name in /usr/sbin.
func administration(t *testing.T, name, pack string) string {
	t.Helper()
	path := filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(path); err != nil {
		missing(t, name, "apt-get install "+pack)
	}
	return path
}

// TestDNS: clients find the domain by its name alone.
func TestDNS(t *testing.T) {
	t.Parallel()
	const address = "127.53.7.1"
	s := start(t, worldSeed, func(c *config.Config) {
		c.LDAPListen, c.LDAPSListen, c.DNSListen = address+":389", address+":0", address+":53"
	})
	dig := func(args ...string) []string {
		t.Helper()
		command := exec.CommandContext(t.Context(), program(t, "dig", "bind9-dnsutils"), append([]string{"@" + address, "+short", "+norecurse"}, args...)...)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("dig %v: %v\n%s", args, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(lines)
		return lines
	}
	for _, transport := range []string{"+notcp", "+tcp"} {
		for name, want := range map[string]string{
			"SRV _ldap._tcp.dc._msdcs.corp.example.com":                                 "0 100 389 dc1.corp.example.com.",
			"SRV _ldap._tcp.Default-First-Site-Name._sites.dc._msdcs.Corp.Example.Com.": "0 100 389 dc1.corp.example.com.",
			"SRV _ldap._tcp.pdc._msdcs.lab.example.com":                                 "0 100 389 dc1.lab.example.com.",
			"A dc1.corp.example.com":                                                    address,
			"A corp.example.com":                                                        address,
			"NS lab.example.com":                                                        "dc1.lab.example.com.",
			"SRV _nothing.example.com":                                                  "",
			"A nobody.corp.example.com":                                                 "",
			"AXFR corp.example.com":                                                     "; Transfer failed.",
			"SRV _ldap._tcp.example.org":                                                "",
		} {
			kind, name, _ := strings.Cut(name, " ")
			if diff := cmp.Diff([]string{want}, dig(transport, kind, name)); diff != "" {
				t.Errorf("dig %s %s %s:\n%s", transport, kind, name, diff)
			}
		}
	}

	said, code := resolving(t, s, address, administration(t, "adcli", "adcli"), "info", "corp.example.com")
	for _, want := range []string{"domain-short = CORP", "domain-controller = dc1.corp.example.com", "domain-controller-site = Default-First-Site-Name", "domain-controller-usable = yes"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("adcli info (%d) does not say %q:\n%s", code, want, said)
		}
	}
	if said, code = resolving(t, s, address, administration(t, "adcli", "adcli"), "info", "nowhere.example.com"); code == 0 {
		t.Errorf("adcli info of a domain that is not there:\n%s", said)
	}
	// Another implementation of the same question, over UDP.
	script := "from samba.net import Net\nfrom samba.param import LoadParm\nfrom samba.credentials import Credentials\nfrom samba.dcerpc import nbt\nlp = LoadParm()\nlp.load_default()\n" +
		"c = Credentials()\nc.guess(lp)\nr = Net(creds=c, lp=lp).finddc(domain='LAB.example.com', flags=nbt.NBT_SERVER_LDAP | nbt.NBT_SERVER_DS | nbt.NBT_SERVER_WRITABLE)\n" +
		"print(r.pdc_dns_name, r.domain_name, r.dns_domain, r.forest, r.server_site, r.client_site, r.pdc_name)\n"
	said, code = resolving(t, s, address, program(t, "python3", "python3-samba"), "-c", script)
	if want := "dc1.lab.example.com LAB lab.example.com lab.example.com Default-First-Site-Name Default-First-Site-Name DC1\n"; code != 0 || !strings.HasSuffix(said, want) {
		t.Errorf("Samba finds (%d):\n%s", code, said)
	}
	description := described(t, goClient(t, s), home, corpID)
	if diff := cmp.Diff(fmt.Sprint([]string{address}), fmt.Sprint(description["DnsIpAddrs"])); diff != "" {
		t.Errorf("DnsIpAddrs:\n%s", diff)
	}
	if host, _, err := net.SplitHostPort(s.DNS); err != nil || host != address {
		t.Errorf("the ready line tells %q", s.DNS)
	}
}
