package e2e

import (
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/config"
)

// shop is a server's certificate, which an authority has signed and others may replace.
type shop struct{ cert, key, ca string }

func newShop(t *testing.T, a authority) shop {
	t.Helper()
	dir := t.TempDir()
	s := shop{filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"), filepath.Join(dir, "ca.pem")}
	s.replace(t, a)
	return s
}

func (s shop) replace(t *testing.T, a authority) {
	t.Helper()
	a.sign(t, s.cert, s.key, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	place(t, s.ca, a.pem)
}

func place(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reaches says whether curl has an answer from the API, whatever it says.
func (s shop) reaches(t *testing.T, address string, args ...string) bool {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--cacert", s.ca, "--output", "/dev/null", address + "/"}, args...)
	said, err := exec.CommandContext(t.Context(), program(t, "curl", "curl"), args...).CombinedOutput()
	if err != nil {
		t.Logf("curl: %v: %s", err, said)
	}
	return err == nil
}

// TestCertificateReload: a certificate that is replaced on the disk is shown from the next connection on, by the API and by
// LDAP; one that can't be used leaves the one before in its place.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	before, after := newAuthority(t, "Before"), newAuthority(t, "After")
	api, ldap := newShop(t, before), newShop(t, before)
	s := start(t, worldSeed, func(c *config.Config) {
		c.TLSCert, c.TLSKey, c.LDAPTLSCert, c.LDAPTLSKey = api.cert, api.key, ldap.cert, ldap.key
	})
	login := func() bool {
		command := exec.CommandContext(t.Context(), program(t, "ldapwhoami", "ldap-utils"), "-x", "-H", s.LDAPS, "-D", corpAdmin, "-w", adminPassword)
		command.Env = append(os.Environ(), "LDAPTLS_CACERT="+ldap.ca, "LDAPTLS_REQCERT=demand")
		return command.Run() == nil
	}
	if !api.reaches(t, s.API) || !login() {
		t.Fatal("not reached with the first certificates")
	}
	api.replace(t, after)
	ldap.replace(t, after)
	if !api.reaches(t, s.API) || !login() {
		t.Error("not reached with the second certificates")
	}
	// Half of a pair, as between two writes.
	place(t, api.key, "-----BEGIN PRIVATE KEY-----\n")
	if !api.reaches(t, s.API) {
		t.Error("a broken key ended what worked")
	}
	if said := s.log.String(); !strings.Contains(said, "a changed certificate can't be used") || strings.Contains(said, "BEGIN") {
		t.Errorf("the log says %s", said)
	}
	if err := os.Remove(api.cert); err != nil {
		t.Fatal(err)
	}
	if !api.reaches(t, s.API) {
		t.Error("a missing certificate ended what worked")
	}
	api.replace(t, before)
	if !api.reaches(t, s.API) {
		t.Error("not reached with the third certificate")
	}
}

// TestClientCertificates: with authorities for clients the API speaks only with those whose certificate one has signed, and
// the authorities may be replaced.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t, "Ours"), newAuthority(t, "Theirs")
	api := newShop(t, ours)
	clients := filepath.Join(t.TempDir(), "clients.pem")
	place(t, clients, ours.pem)
	s := start(t, worldSeed, func(c *config.Config) { c.TLSCert, c.TLSKey, c.ClientCA = api.cert, api.key, clients })
	show := func(a authority) []string {
		dir := t.TempDir()
		cert, key := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
		a.sign(t, cert, key, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		return []string{"--cert", cert, "--key", key}
	}
	our, their := show(ours), show(theirs)
	if !api.reaches(t, s.API, our...) {
		t.Error("a client with a certificate is refused")
	}
	if api.reaches(t, s.API) || api.reaches(t, s.API, their...) {
		t.Error("a client without a certificate, or with another's, is let in")
	}
	place(t, clients, ours.pem+theirs.pem)
	if !api.reaches(t, s.API, our...) || !api.reaches(t, s.API, their...) || api.reaches(t, s.API) {
		t.Error("the authority that was added is not asked")
	}
}
