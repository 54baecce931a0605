// Package certificate keeps the certificate that the LDAP server shows: signed by an authority of its own, which clients
// can be told to trust, and renewed at start.
package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	day = 24 * time.Hour
	// Some clients refuse a server's certificate that is valid for more than 825 days.
	serverLife   = 825 * day
	renewWithin  = 30 * day
	clockSkew    = time.Hour
	authorityFor = 10 // years
)

// Load is the server's certificate, with its chain, and the path of the authority's in PEM, for clients to trust. Both live
// in dir/tls: ca.pem, ca.key, server.pem and server.key, keys readable by their owner only. What is missing is made: an
// authority for ten years, and a certificate for at most 825 days for localhost, 127.0.0.1, ::1 and the hosts, which are
// names or addresses. The certificate is made anew within 30 days of its end and when the hosts have changed, the
// authority within 30 days of its own. An authority's certificate that does not fit its key, or has none, is an error:
// clients may trust it, so it is not replaced in silence.
func Load(dir string, hosts []string, now func() time.Time) (certificate *tls.Certificate, caPath string, err error) {
	folder := filepath.Join(dir, "tls")
	return issue(folder, folder, append([]string{"localhost", "127.0.0.1", "::1"}, hosts...), now())
}

// Paths is where Load keeps the server's certificate and its key.
func Paths(dir string) (cert, key string) { return paths(filepath.Join(dir, "tls")) }

func paths(folder string) (cert, key string) {
	return filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key")
}

// Issue makes a certificate for another server of the hosts, which are names or addresses, in a folder of its own:
// server.pem, server.key and the authority's ca.pem. The authority is Load's for dir, and both are made and renewed as Load
// does it.
func Issue(dir, folder string, hosts []string, now func() time.Time) (cert, key, ca string, err error) {
	_, caPath, err := issue(filepath.Join(dir, "tls"), folder, hosts, now())
	if err != nil {
		return "", "", "", err
	}
	text, err := os.ReadFile(caPath)
	if err != nil {
		return "", "", "", err
	}
	ca = filepath.Join(folder, "ca.pem")
	if there, err := os.ReadFile(ca); err != nil || !bytes.Equal(there, text) {
		if err := os.WriteFile(ca, text, 0o644); err != nil { //nolint:gosec // it is public
			return "", "", "", err
		}
	}
	cert, key = paths(folder)
	return cert, key, ca, nil
}

func issue(home, folder string, hosts []string, at time.Time) (certificate *tls.Certificate, caPath string, err error) {
	authority, caPath, err := loadAuthority(home, at)
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, "", fmt.Errorf("certificates: %w", err)
	}
	certPath, serverKeyPath := paths(folder)
	template := serverTemplate(hosts, at, authority.Leaf.NotAfter)
	// A pair that does not load was cut short while it was written, or is not there yet.
	certificate, err = pair(certPath, serverKeyPath)
	if err != nil || !serves(certificate.Leaf, template, authority.Leaf, at) {
		if certificate, err = create(certPath, serverKeyPath, template, authority); err != nil {
			return nil, "", fmt.Errorf("server certificate: %w", err)
		}
	}
	return certificate, caPath, nil
}

func loadAuthority(folder string, at time.Time) (authority *tls.Certificate, caPath string, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, "", fmt.Errorf("certificates: %w", err)
	}
	caPath = filepath.Join(folder, "ca.pem")
	keyPath := filepath.Join(folder, "ca.key")
	_, err = os.Stat(caPath)
	missing := errors.Is(err, fs.ErrNotExist)
	if !missing {
		if authority, err = pair(caPath, keyPath); err != nil {
			return nil, "", fmt.Errorf("certificate authority in %s: %w (hint: restore both files, or remove both for a new authority)", folder, err)
		}
	}
	// A clock set back is no reason to replace what clients trust.
	if missing || !ahead(authority.Leaf, at) {
		if authority, err = create(caPath, keyPath, authorityTemplate(at), nil); err != nil {
			return nil, "", fmt.Errorf("certificate authority: %w", err)
		}
	}
	return authority, caPath, nil
}

// Config is the TLS configuration of a server with the certificate: TLS 1.2 (RFC 5246) at least.
func Config(certificate *tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
}

func pair(certPath, keyPath string) (*tls.Certificate, error) {
	loaded, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, err
	}
	if loaded.Leaf == nil {
		if loaded.Leaf, err = x509.ParseCertificate(loaded.Certificate[0]); err != nil {
			return nil, err
		}
	}
	return &loaded, nil
}

// ahead says whether a certificate's end is far enough ahead.
func ahead(certificate *x509.Certificate, at time.Time) bool {
	return at.Add(renewWithin).Before(certificate.NotAfter)
}

func serves(certificate, wanted, authority *x509.Certificate, at time.Time) bool {
	sameAddress := func(a, b net.IP) bool { return a.Equal(b) }
	return ahead(certificate, at) && !at.Before(certificate.NotBefore) &&
		slices.Equal(certificate.DNSNames, wanted.DNSNames) &&
		slices.EqualFunc(certificate.IPAddresses, wanted.IPAddresses, sameAddress) &&
		certificate.CheckSignatureFrom(authority) == nil
}

func authorityTemplate(at time.Time) *x509.Certificate {
	return &x509.Certificate{
		// The date tells a renewed authority from the one before.
		Subject:               pkix.Name{Organization: []string{"Latchkey"}, CommonName: "Latchkey CA " + at.UTC().Format(time.DateOnly)},
		NotBefore:             at.Add(-clockSkew),
		NotAfter:              at.AddDate(authorityFor, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
}

func serverTemplate(hosts []string, at, authorityEnd time.Time) *x509.Certificate {
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Latchkey"}, CommonName: hosts[0]},
		NotBefore:             at.Add(-clockSkew),
		NotAfter:              at.Add(serverLife - clockSkew - time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(authorityEnd) {
		template.NotAfter = authorityEnd
	}
	// The order of the configuration says nothing.
	names := slices.Clone(hosts)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		name = strings.Trim(strings.TrimSpace(name), "[]")
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, strings.ToLower(name))
		}
	}
	return template
}

// create makes a key and a certificate for it, signed by the authority or, without one, by itself.
func create(certPath, keyPath string, template *x509.Certificate, authority *tls.Certificate) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signer := template, crypto.PrivateKey(key)
	if authority != nil {
		parent, signer = authority.Leaf, authority.PrivateKey
	}
	// Without a serial number in the template x509 draws a positive one of 20 bytes (RFC 5280 section 4.1.2.2).
	signed, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	chain := [][]byte{signed}
	if authority != nil {
		chain = append(chain, authority.Certificate[0])
	}
	// The key first: a certificate on the disk then always has its key there.
	if err := writePEM(keyPath, 0o600, "PRIVATE KEY", encoded); err != nil {
		return nil, err
	}
	if err := writePEM(certPath, 0o644, "CERTIFICATE", chain...); err != nil {
		return nil, err
	}
	return pair(certPath, keyPath)
}
