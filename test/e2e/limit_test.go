package e2e

import (
	"errors"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/config"
)

const (
	resultBusy = 51 // RFC 4511 appendix A.1
	farAddress = "127.66.0.9"
)

// from is a dialer of another address.
func from(address string) *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
}

// TestFailedLogins: an address from which too many logins have failed has none looked at, by LDAP or by Kerberos; others are not
// concerned.
func TestFailedLogins(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) { c.ThrottleSource = "0.001:3" })
	for _, bind := range []string{`CORP\jane`, `CORP\kim.js`, `CORP\nobody`} {
		if said, code := openldap(t, s, "ldapwhoami", "", "-D", bind, "-w", nextPassword); code != 49 {
			t.Errorf("%s: %d %s", bind, code, said)
		}
	}
	for _, password := range []string{nextPassword, firstPassword} {
		if said, code := openldap(t, s, "ldapwhoami", "", "-D", `CORP\kim.cli`, "-w", password); code != resultBusy || !strings.Contains(said, "too many failed logins from this address") {
			t.Errorf("one too many: %d %s", code, said)
		}
	}
	if said, code := openldap(t, s, "ldapsearch", "", "-LLL", "-b", "", "-s", "base", "defaultNamingContext"); code != 0 {
		t.Errorf("anonymous: %d %s", code, said)
	}
	conn, err := ldap.DialURL(s.LDAP, ldap.DialWithDialer(from(farAddress)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(`CORP\kim.cli`, firstPassword); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
}

// TestFailedLoginsByKerberos: LDAP and Kerberos count together.
func TestFailedLoginsByKerberos(t *testing.T) {
	t.Parallel()
	const address = "127.82.41.7"
	s := start(t, kerberosSeed, func(c *config.Config) {
		c.LDAPListen, c.LDAPSListen, c.DNSListen, c.KDCListen, c.KpasswdListen = address+":389", address+":636", address+":53", address+":88", address+":464"
		c.ThrottleSource = "0.001:2"
	})
	r := realm{"corp.example.com", address}
	m := r.machine(t, nil)
	if err := m.kinit(t, r.principal("kim"), firstPassword); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.kinit(t, r.principal("kim"), nextPassword); err == nil {
			t.Fatal("a wrong password was taken")
		}
	}
	if err := m.kinit(t, r.principal("kim"), firstPassword); err == nil || !strings.Contains(err.Error(), "service is not available") {
		t.Errorf("a right password after too many wrong ones: %v", err)
	}
	if said, code := openldap(t, s, "ldapwhoami", "", "-D", `CORP\kim`, "-w", firstPassword); code != resultBusy {
		t.Errorf("by LDAP: %d %s", code, said)
	}
}

// TestFailedLoginsOfAccount: an account to which too many logins have failed has none looked at, whatever name it is called by;
// others are not concerned, and its password can be reset.
func TestFailedLoginsOfAccount(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) { c.ThrottleAccount = "0.001:2" })
	for _, bind := range []string{"jane@corp.example.com", janeDN} {
		if data := login(t, s, bind, nextPassword); data != "52e" {
			t.Errorf("%s: data %q", bind, data)
		}
	}
	for _, bind := range []string{`CORP\JANE`, strings.ReplaceAll(janeDN, ",", " , "), "jane@corp.example.com"} {
		if said, code := openldap(t, s, "ldapwhoami", "", "-D", bind, "-w", firstPassword); code != resultBusy || !strings.Contains(said, "too many failed logins of this account") {
			t.Errorf("%s: %d %s", bind, code, said)
		}
	}
	if data := login(t, s, `CORP\kim.js`, firstPassword); data != "" {
		t.Errorf("another account: data %q", data)
	}
	callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	if said, code := openldap(t, s, "ldapwhoami", "", "-D", janeDN, "-w", nextPassword); code != resultBusy {
		t.Errorf("after a reset: %d %s", code, said)
	}
}

// TestUnprovenCalls: a flood of calls with wrong signatures is answered as ever, and leaves a record a second.
func TestUnprovenCalls(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) { c.ThrottleSource = "0.001:5" })
	began := time.Now()
	const flood = 200
	for i := range flood {
		if got := (raw{secret: "not-the-right-secret"}).send(t, s); got.status != http.StatusBadRequest || !strings.Contains(got.body, "InvalidSignatureException") {
			t.Fatalf("call %d: %d %s", i, got.status, got.body)
		}
	}
	took := time.Since(began)
	callGoSDK(t, s, home, "DescribeDirectories", nil).accepted(t)
	s.stop()
	n := 0
	for _, r := range auditLog(t, s) {
		if r["errorCode"] == "InvalidSignatureException" {
			n++
		}
	}
	if n < 5 || n > 6+int(math.Ceil(took.Seconds())) {
		t.Errorf("%d records of %d refusals within %s", n, flood, took)
	}
}

// TestConnections: an address has only so many connections; others are not concerned, and one that ends makes room.
func TestConnections(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) { c.MaxAddressConnections = 3 })
	api, plain := strings.TrimPrefix(s.API, "http://"), strings.TrimPrefix(s.LDAP, "ldap://")
	ended := func(c net.Conn) bool {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := io.Copy(io.Discard, c)
		return err == nil || !errors.Is(err, net.ErrClosed) && !isTimeout(err)
	}
	for name, address := range map[string]string{"API": api, "LDAP": plain} {
		var open []net.Conn
		for range 3 {
			c, err := from(farAddress).Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			open = append(open, c)
		}
		extra, err := from(farAddress).Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if !ended(extra) {
			t.Errorf("%s: a connection too many is served", name)
		}
		_ = extra.Close()
		_ = open[0].Close()
		// The server sees the end of one a moment later.
		served := func() bool {
			c, err := from(farAddress).Dial("tcp", address)
			if err != nil {
				return false
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			ask := "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
			if name == "LDAP" {
				ask = "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00" // an anonymous bind
			}
			if _, err := io.WriteString(c, ask); err != nil {
				return false
			}
			head := make([]byte, 12)
			_, err = io.ReadFull(c, head)
			return err == nil && (slices.Equal(head, []byte("HTTP/1.1 200")) || slices.Contains(head, 0x61))
		}
		for deadline := time.Now().Add(10 * time.Second); !served(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: no room after one has ended", name)
			}
		}
	}
	callGoSDK(t, s, home, "DescribeDirectories", nil).accepted(t)
	if data := login(t, s, janeDN, firstPassword); data != "" {
		t.Errorf("from another address: %s", data)
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// TestLimitsAreCounted: whoever comes to a limit of sizes or times is in the metrics, under the limit's name, once.
func TestLimitsAreCounted(t *testing.T) {
	t.Parallel()
	const each, large = 100, 64
	s := start(t, worldSeed, func(c *config.Config) {
		c.MetricsListen, c.MaxAddressConnections = "127.0.0.1:0", each
	})
	api, plain, secure := strings.TrimPrefix(s.API, "http://"), strings.TrimPrefix(s.LDAP, "ldap://"), strings.TrimPrefix(s.LDAPS, "ldaps://")
	say := func(source, address, text string) {
		t.Helper()
		c, err := from(source).Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, text) // it may be hung up on before it has said all
	}
	want := map[string]float64{}
	for _, pest := range []struct{ limit, address, text string }{
		{"api_header_size", api, "POST / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 70<<10)},
		{"api_header_time", api, "POST / HTTP/1.1\r\nHost: x\r\n"},
		{"api_body_size", api, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"},
		{"api_body_time", api, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"},
		{"ldap_message_size", plain, "\x30\x84\x00\x10\x00\x00"},
		{"ldap_message_time", plain, "\x30\x20\x02"},
		{"ldap_handshake_time", secure, ""},
		{"kerberos_message_size", s.KDC, "\x00\x10\x00\x00"},
		{"kerberos_message_time", s.KDC, "\x00\x00\x00\x20\x6a"},
	} {
		want[pest.limit] = 1
		say("127.66.0.10", pest.address, pest.text)
	}
	for range large + 1 {
		say("127.66.0.11", api, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 64<<10))
	}
	want["large_requests"] = 1
	for _, most := range []struct {
		limit, address string
		connections    int
	}{{"api_connections", api, each}, {"ldap_connections", plain, each}, {"kerberos_connections", s.KDC, 128}} {
		want[most.limit] = 1
		for range most.connections + 1 {
			say("127.66.0.12", most.address, "")
		}
	}
	filter := strings.Repeat("(!", 200) + "(cn=jane)" + strings.Repeat(")", 200)
	if said, code := openldap(t, s, "ldapsearch", "", "-D", janeDN, "-w", firstPassword, "-b", "", "-s", "base", filter); code != 11 {
		t.Errorf("a deep filter: %d %s", code, said)
	}
	want["ldap_filter"] = 1
	var all map[string]float64
	counted := func() bool {
		_, families := scrape(t, s)
		all = map[string]float64{}
		for _, m := range families["latchkey_limit_refused_total"].GetMetric() {
			all[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
		// Of the connections that say nothing most end by the time for their header, and so do the large requests by their body's.
		for _, several := range []string{"api_header_time", "api_body_time"} {
			all[several] = min(all[several], 1)
		}
		return maps.Equal(all, want)
	}
	for deadline := time.Now().Add(2 * time.Minute); !counted(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("counted are %v, not %v", all, want)
		}
	}
	documented, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for limit := range want {
		if !strings.Contains(string(documented), "`"+limit+"`") {
			t.Errorf("%s is not in docs/metrics.md", limit)
		}
	}
}
