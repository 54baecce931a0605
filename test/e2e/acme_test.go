package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/miekg/dns"

	"latchkey/internal/certificate"
	"latchkey/internal/config"
)

const (
	acmeName = "ds.example.com"
	// pebble is Let's Encrypt's own authority for tests.
	pebble = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3"
)

// acmeAuthority is a running Pebble.
type acmeAuthority struct {
	directory string // its URL
	ca        string // who has signed its own certificate
	roots     []byte // who signs the certificates that it gives
	stop      func()
}

// newACMEAuthority starts a Pebble that looks for names on a port of this machine.
func newACMEAuthority(t *testing.T, port string) acmeAuthority {
	t.Helper()
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", pebble)
	install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if _, _, err := certificate.Load(dir, nil, time.Now); err != nil {
		t.Fatal(err)
	}
	api, management := freeAddress(t), freeAddress(t)
	settings := fmt.Sprintf(`{"pebble": {"listenAddress": %q, "managementListenAddress": %q, "certificate": %q, "privateKey": %q, "httpPort": 1, "tlsPort": %s,
		"profiles": {"default": {"description": "as usual", "validityPeriod": 7776000}}}}`,
		api, management, filepath.Join(dir, "tls", "server.pem"), filepath.Join(dir, "tls", "server.key"), port)
	path := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(filepath.Join(dir, "pebble"), "-config", path, "-dnsserver", nameServer(t))
	command.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	said := &safeBuffer{}
	command.Stdout, command.Stderr = said, said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	a := acmeAuthority{directory: "https://" + api + "/dir", ca: filepath.Join(dir, "tls", "ca.pem")}
	stopped := false
	a.stop = func() {
		if !stopped {
			stopped = true
			_ = command.Process.Kill()
			_ = command.Wait()
		}
	}
	t.Cleanup(a.stop)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(t, a.ca), MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		response, err := client.Get("https://" + management + "/roots/0")
		if err == nil {
			a.roots, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err == nil && response.StatusCode == http.StatusOK {
				return a
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Pebble does not answer: %v\n%s", err, said)
		}
	}
}

func pool(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	roots, err := certificate.Pool(path)
	if err != nil {
		t.Fatal(err)
	}
	return roots
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// nameServer says of every name that it is this machine, over TCP.
func nameServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		reply := new(dns.Msg)
		reply.SetReply(r)
		if r.Question[0].Qtype == dns.TypeA {
			reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(reply)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// TestACME: the API has a certificate from an authority that has seen that the name is the server's, and keeps it when it is
// started again without the authority.
func TestACME(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	authority := newACMEAuthority(t, port)
	with := func(c *config.Config) {
		c.Listen, c.ACMEDomain, c.ACMEDirectory, c.ACMECA = address, []string{acmeName}, authority.directory, authority.ca
	}
	s := start(t, worldSeed, with)
	if s.API != "https://"+address {
		t.Fatalf("the API is at %s", s.API)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.roots)
	rootsFile := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(rootsFile, authority.roots, 0o600); err != nil {
		t.Fatal(err)
	}
	healthy := func() {
		t.Helper()
		said, err := exec.CommandContext(t.Context(), program(t, "curl", "curl"), "--silent", "--show-error", "--cacert", rootsFile,
			"--resolve", acmeName+":"+port+":127.0.0.1", "https://"+acmeName+":"+port+"/healthz").CombinedOutput()
		if err != nil || strings.TrimSpace(string(said)) != "ok" {
			t.Errorf("curl: %v: %s", err, said)
		}
	}
	healthy()

	key, secret := s.root()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	sdk := directoryservice.New(directoryservice.Options{
		Region: home, BaseEndpoint: aws.String("https://" + acmeName + ":" + port), Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		HTTPClient: &http.Client{Transport: transport},
	})
	goCall(t, sdk, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)

	// A name that nobody has configured has none, and is not asked for.
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "other.example.com", MinVersion: tls.VersionTLS12})
	if err == nil {
		_ = conn.Close()
		t.Error("there is a certificate for another name")
	}

	found, err := os.ReadDir(filepath.Join(s.data, "acme"))
	if err != nil || len(found) < 2 {
		t.Errorf("what is kept: %v, %v", found, err)
	}
	for _, each := range found {
		if info, err := each.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", each.Name(), info.Mode(), err)
		}
	}
	s.stop()
	authority.stop()
	s = start(t, "", with, func(c *config.Config) { c.Data, c.MetricsListen = s.data, "127.0.0.1:0" })
	healthy()
	_, families := scrape(t, s)
	const validity = 90 * 24 * time.Hour // Pebble's, by its settings
	if ends := time.Until(time.Unix(int64(sum(families, "latchkey_certificate_expiry_timestamp_seconds", "certificate", "api")), 0)); ends <= 0 || ends > validity {
		t.Errorf("the certificate ends in %s", ends)
	}
}
