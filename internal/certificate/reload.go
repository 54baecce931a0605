package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files is what a server shows and asks for over TLS, read from files in PEM that may be replaced while it runs.
type Files struct {
	// Cert is the certificate with its chain, and Key its private key.
	Cert, Key string
	// ClientCA, which may be empty, is the authorities one of which must have signed the certificate that a client shows.
	ClientCA string
	// ClientAuth is what is asked of clients where ClientCA is empty.
	ClientAuth tls.ClientAuthType
	Logger     *slog.Logger

	mu      sync.Mutex
	read    []fs.FileInfo // what the last attempt to read found
	current *tls.Config
}

// Config is the TLS configuration of a server that uses the files: TLS 1.2 at least. Each connection begins with the files
// as they are then. While they can't be used, such as a certificate whose key is not there yet, connections begin with what
// was read last, and the log says why.
func (f *Files) Config() (*tls.Config, error) {
	if err := f.reload(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if found := f.found(); !same(found, f.read) {
				f.again(found)
			}
			return f.current, nil
		},
	}, nil
}

// NotAfter is when the certificate ends that was read last; zero before Config has read one.
func (f *Files) NotAfter() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil {
		return time.Time{}
	}
	return f.current.Certificates[0].Leaf.NotAfter
}

func (f *Files) reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = f.found()
	settings, err := f.load()
	if err == nil {
		f.current = settings
	}
	return err
}

// again reads what has changed since the last attempt.
func (f *Files) again(found []fs.FileInfo) {
	f.read = found
	settings, err := f.load()
	if err != nil {
		f.Logger.Error("a changed certificate can't be used; the one before it stays", "file", f.Cert, "err", err)
		return
	}
	f.current = settings
	f.Logger.Info("a changed certificate is in use", "file", f.Cert, "ends", settings.Certificates[0].Leaf.NotAfter)
}

func (f *Files) load() (*tls.Config, error) {
	own, err := pair(f.Cert, f.Key)
	if err != nil {
		return nil, err
	}
	settings := Config(own)
	settings.ClientAuth = f.ClientAuth
	if f.ClientCA != "" {
		if settings.ClientCAs, err = Pool(f.ClientCA); err != nil {
			return nil, err
		}
		settings.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return settings, nil
}

// found is the files as they are on the disk; one that is missing is nil.
func (f *Files) found() []fs.FileInfo {
	all := make([]fs.FileInfo, 0, 3)
	for _, path := range []string{f.Cert, f.Key, f.ClientCA} {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		all = append(all, info)
	}
	return all
}

func same(a, b []fs.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil || b[i] == nil:
			if a[i] != b[i] {
				return false
			}
		case !os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size():
			return false
		}
	}
	return true
}

// Pool is the authorities in a file (PEM).
func Pool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: %w", path, errNoCertificate)
	}
	return pool, nil
}

var errNoCertificate = errors.New("it holds no certificate (PEM)")
