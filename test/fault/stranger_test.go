package fault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
	"latchkey/internal/directory/samba"
	"latchkey/internal/ldapserver"
)

// stranger is a domain that the server under test does not run: it knows its addresses, an authority's certificate, and an
// account that may reset passwords below OU=Sales.
type stranger struct {
	dir      string
	domain   directory.Domain
	engine   *samba.Engine
	conn     directory.Conn
	hosts    []samba.Controller
	password string // the path of the file with the service account's

	authority *authority
}

const (
	serviceName     = "svc-latchkey"
	servicePassword = "Lantern-Oil-77"
	sales           = "OU=Sales," + baseDN
)

// newStranger makes a domain with a domain controller at each address, and the users of newHistories below OU=Sales. more are
// other addresses that its certificates are for.
func newStranger(t *testing.T, addresses []string, more ...string) *stranger {
	t.Helper()
	s := &stranger{dir: directorytest.SambaFolder(t)}
	sid, err := directory.ParseSID("S-1-5-21-1111-2222-3333")
	if err != nil {
		t.Fatal(err)
	}
	s.domain = directory.Domain{ID: "d-00000000aa", Kind: directory.SimpleAD, Name: domainName, NetBIOS: "FAULT", SID: sid}
	s.authority = newAuthority(t, filepath.Join(s.dir, "ca.pem"))
	s.engine = samba.New(samba.Options{
		Dir: filepath.Join(s.dir, "dc"), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Certificate: func(folder string, hosts []string) (string, string, string, error) {
			return s.authority.issue(folder, append(hosts, more...), false)
		},
	})
	t.Cleanup(s.engine.Close)
	for i, address := range addresses {
		s.hosts = append(s.hosts, samba.Controller{Host: fmt.Sprintf("dc%d", i+1), Address: netip.MustParseAddr(address)})
	}
	if err := s.engine.Provision(t.Context(), s.domain, s.hosts); err != nil {
		t.Fatal(err)
	}
	if s.conn, err = s.engine.Conn(s.domain.ID); err != nil {
		t.Fatal(err)
	}
	if err := directory.LayOut(t.Context(), s.conn, s.domain, []byte(adminPassword)); err != nil {
		t.Fatal(err)
	}
	s.add(t, sales, map[string][]string{"objectClass": {"organizationalUnit"}})
	s.user(t, "CN=Users,"+baseDN, serviceName, servicePassword)
	s.user(t, "CN=Users,"+baseDN, "outsider", firstPassword)
	for i := range streams {
		s.user(t, sales, fmt.Sprintf("stream%d", i), firstPassword)
	}
	s.delegate(t)
	s.password = filepath.Join(s.dir, "password")
	s.write(t, servicePassword)
	return s
}

// replicated waits until the domain controller at the address knows the last user that was made, and the rights.
func (s *stranger) replicated(t *testing.T, address string) {
	t.Helper()
	w := &sambaWorld{server: &server{LDAPS: "ldaps://" + address, trust: s.trust(t)}}
	s.user(t, sales, "last", firstPassword)
	w.eventually(t, "last", firstPassword)
}

// trust is how a client of the domain knows its domain controllers.
func (s *stranger) trust(t *testing.T) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	trust.RootCAs.AppendCertsFromPEM(ca)
	return trust
}

// write is what an operator does who rotates the service account's password.
func (s *stranger) write(t *testing.T, password string) {
	t.Helper()
	if err := os.WriteFile(s.password, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *stranger) add(t *testing.T, dn string, attributes map[string][]string) {
	t.Helper()
	if err := directory.Ensure(t.Context(), s.conn, dn, attributes); err != nil {
		t.Fatal(err)
	}
}

func (s *stranger) user(t *testing.T, parent, name, password string) {
	t.Helper()
	s.add(t, "CN="+name+","+parent, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}})
	s.set(t, name, password)
}

func (s *stranger) set(t *testing.T, name, password string) {
	t.Helper()
	if _, err := directory.ResetPassword(t.Context(), s.conn, s.domain, name, []byte(password), directory.ResetOptions{Unlock: true}); err != nil {
		t.Fatal(err)
	}
}

// delegate gives the service account what `latchkey directory delegation` says that resets need.
func (s *stranger) delegate(t *testing.T) {
	t.Helper()
	trustee, err := directory.FindTrustee(t.Context(), s.conn, s.domain, serviceName)
	if err != nil {
		t.Fatal(err)
	}
	commands, err := directory.Delegation{Domain: s.domain, Trustee: trustee, Bases: []string{sales}, Server: "dc1." + domainName}.Commands(directory.PurposeReset)
	if err != nil {
		t.Fatal(err)
	}
	socket := "ldapi://" + strings.ReplaceAll(filepath.Join(s.dir, "dc", s.domain.ID, "dc1", "private/ldap_priv/ldapi"), "/", "%2F")
	for _, command := range commands {
		if command.Dialect != directory.DialectSambaTool {
			continue
		}
		_, rights, _ := strings.Cut(command.Line, " --objectdn=")
		line := "samba-tool dsacl set -H " + socket + " --objectdn=" + rights
		if said, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, said)
		}
	}
}

// authority signs the domain controllers' certificates.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	pem         []byte
	serial      int64
}

func newAuthority(t *testing.T, path string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "The stranger's CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), serial: 1}
	if a.certificate, err = x509.ParseCertificate(signed); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, a.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) issue(folder string, hosts []string, expired bool) (cert, key, ca string, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: hosts[0]}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(2 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if expired {
		template.NotAfter = time.Now().Add(-time.Hour)
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, a.certificate, own.Public(), a.key)
	if err != nil {
		return "", "", "", err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return "", "", "", err
	}
	cert, key, ca = filepath.Join(folder, "c.pem"), filepath.Join(folder, "c.key"), filepath.Join(folder, "ca.pem")
	for path, text := range map[string][]byte{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), ca: a.pem,
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return "", "", "", err
		}
	}
	return cert, key, ca, nil
}

// attached starts a server that has the stranger's domain attached, by the addresses given.
func (s *stranger) attached(t *testing.T, addresses ...string) (w *server, data string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	var urls []string
	for _, address := range addresses {
		urls = append(urls, "ldaps://"+address)
	}
	seed := filepath.Join(t.TempDir(), "seed.yaml")
	text := fmt.Sprintf("directories:\n  - id: %s\n    type: SimpleAD\n    name: %s\n    engine: remote\n    remote:\n      urls: [%s]\n      bindDn: FAULT\\%s\n      bindPasswordFile: %s\n      caFile: %s\n      resetBases: [\"%s\"]\n",
		directoryID, domainName, strings.Join(urls, ", "), serviceName, s.password, filepath.Join(s.dir, "ca.pem"), sales)
	if err := os.WriteFile(seed, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w = start(t, data, seed)
	w.LDAPS = "ldaps://" + s.hosts[0].Address.String()
	w.trust = s.trust(t)
	return w, data
}

// expired is a certificate that was good for the address.
func (s *stranger) expired(t *testing.T, address string) *tls.Certificate {
	t.Helper()
	cert, key, _, err := s.authority.issue(t.TempDir(), []string{address}, true)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// readOnly is the address of a domain controller that knows all of the domain and writes nothing: it refers to others, as a
// read-only one does.
func (s *stranger) readOnly(t *testing.T, address string) string {
	t.Helper()
	cert, key, _, err := s.authority.issue(t.TempDir(), []string{address}, false)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ldapserver.New(ldapserver.Options{Backend: mirror{s.conn}, TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener, true) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(ctx)
	})
	return listener.Addr().String()
}

// mirror answers searches as the domain does.
type mirror struct{ directory.Conn }

func (m mirror) Anonymous(ldapserver.Peer) ldapserver.Session { return m }

func (m mirror) Bind(context.Context, ldapserver.Peer, string, []byte) (ldapserver.Session, error) {
	return m, nil
}

func (mirror) Modify(context.Context, *ldap.ModifyRequest) error {
	return &ldap.Error{ResultCode: ldap.LDAPResultReferral, Err: errors.New("0000202B: RefErr: DSID-0310082F, data 0, 1 access points")}
}

func (mirror) Who() string { return "" }

func (mirror) PasswordModify(context.Context, string, []byte, []byte) ([]byte, error) {
	return nil, errors.New("it writes nothing")
}
