package certificate

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func clock(at time.Time) func() time.Time { return func() time.Time { return at } }

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func load(t *testing.T, dir string, hosts []string, at time.Time) *tls.Certificate {
	t.Helper()
	certificate, _, err := Load(dir, hosts, clock(at))
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestLoadMakesWhatClientsVerify(t *testing.T) {
	dir := t.TempDir()
	certificate, caPath, err := Load(dir, []string{"DC1.corp.example.com", "10.0.0.5"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pemBytes, err := os.ReadFile(caPath)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pemBytes) {
		t.Fatal("no certificate in ca.pem")
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "dc1.corp.example.com", "10.0.0.5"} {
		t.Run(name, func(t *testing.T) { handshake(t, certificate, roots, name) })
	}
	leaf := certificate.Leaf
	if leaf.SerialNumber.Sign() <= 0 {
		t.Errorf("serial number %s", leaf.SerialNumber)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 825*day {
		t.Errorf("valid for %s", life)
	}
	if key, ok := certificate.PrivateKey.(*ecdsa.PrivateKey); !ok || key.Curve.Params().BitSize != 256 {
		t.Errorf("key is %T", certificate.PrivateKey)
	}
	for name, want := range map[string]os.FileMode{"ca.key": 0o600, "server.key": 0o600, "ca.pem": 0o644, "server.pem": 0o644} {
		info, err := os.Stat(filepath.Join(dir, "tls", name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "tls", "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func handshake(t *testing.T, certificate *tls.Certificate, roots *x509.CertPool, name string) {
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	answered := make(chan error, 1)
	go func() { answered <- tls.Server(server, Config(certificate)).Handshake() }()
	if err := tls.Client(client, &tls.Config{RootCAs: roots, ServerName: name}).Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestLoadRenews(t *testing.T) {
	hosts := []string{"a.example.com", "b.example.com"}
	cases := []struct {
		name    string
		hosts   []string
		later   time.Duration
		renewed bool
	}{
		{"at once", hosts, 0, false},
		{"hosts in another order", []string{"b.example.com", "a.example.com"}, 0, false},
		{"one host less", hosts[:1], 0, true},
		{"long before the end", hosts, 790 * day, false},
		{"shortly before the end", hosts, 796 * day, true},
		{"after the end", hosts, 900 * day, true},
		{"before the beginning", hosts, -day, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			first := load(t, dir, hosts, start())
			second := load(t, dir, c.hosts, start().Add(c.later))
			if renewed := !first.Leaf.Equal(second.Leaf); renewed != c.renewed {
				t.Errorf("renewed: %v", renewed)
			}
			if third := load(t, dir, c.hosts, start().Add(c.later)); !third.Leaf.Equal(second.Leaf) {
				t.Error("made anew without a reason")
			}
		})
	}
}

func TestLoadNeverOutlivesTheAuthority(t *testing.T) {
	dir := t.TempDir()
	load(t, dir, nil, start())
	late := start().AddDate(9, 6, 0)
	certificate := load(t, dir, nil, late)
	if end := start().AddDate(10, 0, 0); certificate.Leaf.NotAfter.After(end) {
		t.Errorf("ends %s, the authority %s", certificate.Leaf.NotAfter, end)
	}
	renewed := load(t, dir, nil, start().AddDate(10, 0, -10))
	authority, err := x509.ParseCertificate(renewed.Certificate[1])
	if err != nil {
		t.Fatal(err)
	}
	if !authority.NotAfter.After(start().AddDate(19, 0, 0)) {
		t.Errorf("authority still ends %s", authority.NotAfter)
	}
}

func TestLoadAfterAnAccident(t *testing.T) {
	t.Run("server pair cut short", func(t *testing.T) {
		dir := t.TempDir()
		first := load(t, dir, nil, start())
		if err := os.WriteFile(filepath.Join(dir, "tls", "server.key"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if second := load(t, dir, nil, start()); first.Leaf.Equal(second.Leaf) {
			t.Error("not renewed")
		}
	})
	t.Run("authority's certificate never written", func(t *testing.T) {
		dir := t.TempDir()
		load(t, dir, nil, start())
		if err := os.Remove(filepath.Join(dir, "tls", "ca.pem")); err != nil {
			t.Fatal(err)
		}
		load(t, dir, nil, start())
	})
	t.Run("authority's key lost", func(t *testing.T) {
		dir := t.TempDir()
		load(t, dir, nil, start())
		if err := os.Remove(filepath.Join(dir, "tls", "ca.key")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Load(dir, nil, clock(start())); err == nil {
			t.Error("replaced an authority that clients trust")
		}
	})
}

// Another server's certificate has the same authority, and its own hosts alone.
func TestIssue(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(t.TempDir(), "dc1", "tls")
	issue := func(hosts ...string) *tls.Certificate {
		t.Helper()
		certPath, keyPath, caPath, err := Issue(dir, folder, hosts, clock(start()))
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := pair(certPath, keyPath)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{caPath, filepath.Join(dir, "tls", "ca.pem")} {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(text)
			for _, host := range hosts {
				if _, err := certificate.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: start()}); err != nil {
					t.Errorf("%s by %s: %v", host, path, err)
				}
			}
		}
		return certificate
	}
	first := issue("dc1.corp.example.com", "127.1.1.1")
	if err := first.Leaf.VerifyHostname("localhost"); err == nil {
		t.Error("it is for localhost too")
	}
	if again := issue("dc1.corp.example.com", "127.1.1.1"); !again.Leaf.Equal(first.Leaf) {
		t.Error("made anew without a reason")
	}
	if other := issue("dc1.corp.example.com", "127.1.1.2"); other.Leaf.Equal(first.Leaf) {
		t.Error("not made anew for another host")
	}
	own := load(t, dir, nil, start())
	if err := first.Leaf.CheckSignatureFrom(mustParse(t, own.Certificate[1])); err != nil {
		t.Errorf("another authority: %v", err)
	}
}

func mustParse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
