package remote_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/remote"
	"latchkey/internal/ldapserver"
)

const serviceAccount = `CORP\svc`

// far is a domain controller somewhere else, over TLS.
type far struct {
	url string
	ca  string // the path of its authority's certificate

	mu       sync.Mutex
	password string
	binds    []string // the passwords that were tried
}

// newFar listens with a certificate that signs itself and has the given serial number, of one byte.
func newFar(t *testing.T, serial int8) *far {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const placeholder = 0x5a
	template := &x509.Certificate{
		SerialNumber: big.NewInt(placeholder), Subject: pkix.Name{CommonName: "dc1"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	// Package x509 makes no certificate with a negative number: put it in afterwards, and sign again.
	var parts struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(signed, &parts); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(parts.TBS.FullBytes, []byte{0x02, 0x01, placeholder})
	parts.TBS.FullBytes[at+2] = byte(serial)
	digest := sha256.Sum256(parts.TBS.FullBytes)
	if parts.Signature.Bytes, err = ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
		t.Fatal(err)
	}
	parts.Signature.BitLength = 8 * len(parts.Signature.Bytes)
	if signed, err = asn1.Marshal(parts); err != nil {
		t.Fatal(err)
	}
	f := &far{ca: filepath.Join(t.TempDir(), "ca.pem"), password: "right"}
	if err := os.WriteFile(f.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := ldapserver.New(ldapserver.Options{
		Backend: f, TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{signed}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.url = "ldaps://" + listener.Addr().String()
	go func() { _ = server.Serve(listener, true) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(ctx)
	})
	return f
}

func (f *far) Anonymous(ldapserver.Peer) ldapserver.Session { return session{} }

func (f *far) Bind(_ context.Context, _ ldapserver.Peer, name string, password []byte) (ldapserver.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.binds = append(f.binds, string(password))
	if name != serviceAccount || string(password) != f.password {
		return nil, &ldap.Error{ResultCode: ldap.LDAPResultInvalidCredentials, Err: errors.New("80090308: LdapErr: AcceptSecurityContext error, data 52e, v1db1")}
	}
	return session{}, nil
}

func (f *far) tried() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.binds)
}

// session finds one entry, whatever is searched.
type session struct{}

func (session) Search(context.Context, *ldap.SearchRequest) (*ldap.SearchResult, error) {
	return &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry("CN=x", map[string][]string{"cn": {"x"}, "objectSid": {string(corp.SID)}})}}, nil
}
func (session) Add(context.Context, *ldap.AddRequest) error           { return nil }
func (session) Modify(context.Context, *ldap.ModifyRequest) error     { return nil }
func (session) ModifyDN(context.Context, *ldap.ModifyDNRequest) error { return nil }
func (session) Delete(context.Context, *ldap.DelRequest) error        { return nil }
func (session) Who() string                                           { return "" }
func (session) PasswordModify(context.Context, string, []byte, []byte) ([]byte, error) {
	return nil, nil
}

// corp has a SID of one part, which is as good as any here.
var corp = directory.Domain{ID: "d-0000000001", Kind: directory.SimpleAD, Name: "corp.example.com", NetBIOS: "CORP", SID: "\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"}

func write(t *testing.T, path, password string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func serve(t *testing.T, f *far, password string) (engine *remote.Engine, conn directory.Conn, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "password")
	write(t, file, password)
	engine = remote.New(remote.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	t.Cleanup(engine.Close)
	if err := engine.Serve(t.Context(), corp, remote.Settings{URLs: []string{f.url}, CAFile: f.ca, BindDN: serviceAccount, BindPasswordFile: file}); err != nil {
		t.Fatal(err)
	}
	conn, err := engine.Conn(corp.ID)
	if err != nil {
		t.Fatal(err)
	}
	return engine, conn, file
}

func search(ctx context.Context, conn directory.Conn) error {
	_, err := conn.Search(ctx, ldap.NewSearchRequest("DC=corp", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", nil, nil))
	return err
}

// Samba gives some of its certificates a negative serial number, which Go refuses to read unless it is told otherwise.
func TestNegativeSerialNumber(t *testing.T) {
	for _, serial := range []int8{5, -5} {
		f := newFar(t, serial)
		_, conn, _ := serve(t, f, "right")
		if err := search(t.Context(), conn); err != nil {
			t.Errorf("%d: %v", serial, err)
		}
		other := newFar(t, serial)
		if _, err := remote.Dial(t.Context(), f.url, remote.Settings{CAFile: other.ca}); !errors.Is(err, remote.ErrTLS) {
			t.Errorf("%d: a certificate of another authority: %v", serial, err)
		}
	}
}

// A password that was refused is not tried again, as that would lock the account; a new one is, without a restart.
func TestRotation(t *testing.T) {
	f := newFar(t, 5)
	_, conn, file := serve(t, f, "wrong")
	for deadline := time.Now().Add(1500 * time.Millisecond); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := search(t.Context(), conn); !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), "the password is wrong") {
			t.Fatalf("%v", err)
		}
	}
	// A probe and a call may both have begun before the first answer.
	if tried := f.tried(); len(tried) > 2 {
		t.Errorf("the wrong password was tried %d times", len(tried))
	}
	write(t, file, "right")
	for deadline := time.Now().Add(time.Minute); search(t.Context(), conn) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new password is not tried")
		}
	}
}

func TestServe(t *testing.T) {
	f := newFar(t, 5)
	engine, conn, file := serve(t, f, "right")
	if err := search(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	same := remote.Settings{URLs: []string{f.url}, CAFile: f.ca, BindDN: serviceAccount, BindPasswordFile: file}
	if err := engine.Serve(t.Context(), corp, same); err != nil {
		t.Fatal(err)
	}
	if again, err := engine.Conn(corp.ID); err != nil || again != conn {
		t.Errorf("the same settings made another connection: %v", err)
	}
	if verified := conn.(directory.Verifier).Verify(t.Context(), serviceAccount, []byte("right")); len(verified) != 1 || !directory.RightPassword(verified[0].Err) {
		t.Errorf("%+v", verified)
	}
	if verified := conn.(directory.Verifier).Verify(t.Context(), serviceAccount, []byte("wrong")); len(verified) != 1 || directory.RightPassword(verified[0].Err) {
		t.Errorf("%+v", verified)
	}
	if err := conn.(directory.Verifier).Login(t.Context(), serviceAccount, []byte("right")); err != nil {
		t.Error(err)
	}
	before := len(f.tried())
	if err := conn.(directory.Verifier).Login(t.Context(), serviceAccount, []byte("wrong")); err == nil || errors.Is(err, directory.ErrUnavailable) || len(f.tried()) != before+1 {
		t.Errorf("%v after %d tries", err, len(f.tried())-before)
	}
	other := same
	other.URLs = []string{"ldaps://127.0.0.1:1"}
	if err := engine.Serve(t.Context(), corp, other); err != nil {
		t.Fatal(err)
	}
	conn, err := engine.Conn(corp.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := search(t.Context(), conn); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err := conn.(directory.Verifier).Login(t.Context(), serviceAccount, []byte("right")); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if health := engine.Health(corp.ID); len(health) != 1 || health[0].Up || !errors.Is(health[0].Err, remote.ErrUnreachable) {
		t.Errorf("%+v", health)
	}
	engine.Drop(corp.ID)
	if _, err := engine.Conn(corp.ID); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestPasswordFile(t *testing.T) {
	f := newFar(t, 5)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"open":    {"right\n", 0o644, "chmod 600"},
		"empty":   {"\n", 0o600, "is empty"},
		"huge":    {strings.Repeat("x", 5000), 0o600, "larger"},
		"missing": {"", 0, "no such file"},
	} {
		path := filepath.Join(dir, name)
		if c.mode != 0 {
			if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
				t.Fatal(err)
			}
		}
		conn, err := remote.Dial(t.Context(), f.url, remote.Settings{CAFile: f.ca})
		if err != nil {
			t.Fatal(err)
		}
		err = remote.Bind(t.Context(), conn, remote.Settings{BindDN: serviceAccount, BindPasswordFile: path})
		_ = conn.Close()
		if !errors.Is(err, remote.ErrCredentials) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tried := f.tried(); len(tried) != 0 {
		t.Errorf("passwords were tried: %d", len(tried))
	}
}

func TestSettings(t *testing.T) {
	good := remote.Settings{URLs: []string{"ldaps://dc1.corp.example.com"}, BindDN: "x", BindPasswordFile: "/p"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*remote.Settings){
		"neither given":    func(s *remote.Settings) { s.URLs = nil },
		"TLS only":         func(s *remote.Settings) { s.URLs = []string{"ldap://dc1"} },
		"is not ldaps":     func(s *remote.Settings) { s.URLs = []string{"https://dc1"} },
		"given twice":      func(s *remote.Settings) { s.URLs = append(s.URLs, s.URLs[0]) },
		"account":          func(s *remote.Settings) { s.BindDN = " " },
		"file with the pa": func(s *remote.Settings) { s.BindPasswordFile = "" },
		"HOST:PORT":        func(s *remote.Settings) { s.Resolver = "1.2.3.4" },
	} {
		s := good
		s.URLs = slices.Clone(good.URLs)
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	err := remote.Settings{URLs: []string{"ldap://a", "nonsense"}}.Validate()
	if err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("not every problem is told: %v", err)
	}
}
