package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACME gets certificates from an authority by RFC 8555, and renews them a month before they end. The authority sees that the
// server has a name by a connection to it on port 443 (tls-alpn-01, RFC 8737), which has to lead to the server.
type ACME struct {
	// Folder keeps the account's key, the certificates and their keys, readable by their owner only.
	Folder string
	// Names are what certificates are for.
	Names []string
	// Directory is the authority's URL, Roots who may have signed its own certificate (nil for the system's), and Contact an address
	// that it may write to, which may be empty.
	Directory string
	Roots     *x509.CertPool
	Contact   string
	// ClientCAs, unless nil, are the authorities one of which must have signed the certificate that a client shows.
	ClientCAs *x509.CertPool
	Logger    *slog.Logger

	manager *autocert.Manager

	mu   sync.Mutex
	ends map[string]time.Time // of the certificates that were shown last, by their first name
}

// acmeTimeout is how long the authority may take for an answer.
const acmeTimeout = 30 * time.Second

// Config is the TLS configuration of a server with these certificates: TLS 1.2 at least. A name's first connection waits
// for its certificate where Obtain has not got it.
func (a *ACME) Config() *tls.Config {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: a.Roots, MinVersion: tls.VersionTLS12}
	a.manager = &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(a.Folder), HostPolicy: autocert.HostWhitelist(a.Names...), Email: a.Contact,
		Client: &acme.Client{DirectoryURL: a.Directory, HTTPClient: &http.Client{Transport: transport, Timeout: acmeTimeout}, UserAgent: "latchkey"},
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.show, NextProtos: []string{"http/1.1"}}
	if a.ClientCAs != nil {
		settings.ClientCAs, settings.ClientAuth = a.ClientCAs, tls.RequireAndVerifyClientCert
	}
	// The authority shows no certificate of its own, and no request follows.
	proving := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: a.manager.GetCertificate, NextProtos: []string{acme.ALPNProto}}
	settings.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
			return proving, nil
		}
		return nil, nil //nolint:nilnil // the contract of GetConfigForClient: the one that it is in
	}
	return settings
}

// show is the certificate for a connection.
func (a *ACME) show(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	shown, err := a.manager.GetCertificate(hello)
	if err == nil && shown.Leaf != nil && len(shown.Leaf.DNSNames) > 0 {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.ends == nil {
			a.ends = map[string]time.Time{}
		}
		a.ends[shown.Leaf.DNSNames[0]] = shown.Leaf.NotAfter
	}
	return shown, err
}

// NotAfter is when the first of the certificates ends that were shown last; zero while there is none.
func (a *ACME) NotAfter() (first time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, end := range a.ends {
		if first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return first
}

// Obtain gets what is missing, once the server is listening, and logs what came of it.
func (a *ACME) Obtain(ctx context.Context) {
	for _, name := range a.Names {
		if ctx.Err() != nil {
			return
		}
		// What a client of today says, for the kind of key.
		hello := &tls.ClientHelloInfo{
			ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
		}
		obtained, err := a.show(hello)
		if err != nil {
			a.Logger.Error("no certificate from the authority; the next connection tries again", "name", name, "authority", a.Directory, "err", err)
			continue
		}
		a.Logger.Info("a certificate is in use", "name", name, "authority", a.Directory, "ends", obtained.Leaf.NotAfter)
	}
}
