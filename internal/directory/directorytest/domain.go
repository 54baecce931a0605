package directorytest

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"latchkey/internal/certificate"
	"latchkey/internal/directory/samba"
)

// SambaFolder is a folder for real domain controllers until the test ends: its path is short, as those of sockets must be.
// Where there is no Samba the test fails under CI and is skipped elsewhere.
func SambaFolder(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/samba"); err != nil {
		const missing = "samba is missing (hint: apt-get install samba samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir, err := os.MkdirTemp("", "lk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// SambaOptions are those of an engine in the folder: its domain controllers are below dir/samba, and the authority of their
// certificates is in dir/tls.
func SambaOptions(dir string) samba.Options {
	return samba.Options{
		Dir: filepath.Join(dir, "samba"), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Certificate: func(folder string, hosts []string) (cert, key, ca string, err error) {
			return certificate.Issue(dir, folder, hosts, time.Now)
		},
	}
}

// SambaCA is the path of the authority's certificate.
func SambaCA(dir string) string { return filepath.Join(dir, "tls", "ca.pem") }

// SambaTrust is how a client knows the domain controllers of the folder.
func SambaTrust(t testing.TB, dir string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(SambaCA(dir))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
