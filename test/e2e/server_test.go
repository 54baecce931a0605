// Package e2e proves the product from the outside, by clients that we did not write.
package e2e

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/app"
	"latchkey/internal/config"
)

// server is a whole server in this process, on free ports, with a data directory of its own.
type server struct {
	API   string `json:"api"`
	LDAP  string `json:"ldap"`
	LDAPS string `json:"ldaps"`
	DNS   string `json:"dns"`
	KDC   string `json:"kdc"`
	// Kpasswd is the address for changing passwords by Kerberos.
	Kpasswd string `json:"kpasswd"`
	// Metrics is the URL of the metrics, where they are served.
	Metrics string `json:"metrics"`

	data string
	log  *safeBuffer
	stop func()
}

func (s *server) caFile() string          { return filepath.Join(s.data, "tls", "ca.pem") }
func (s *server) credentialsFile() string { return filepath.Join(s.data, "root-credentials") }

const startTimeout = time.Minute

// start runs a server with a seed until the test ends. change may alter its configuration, as to a data directory that is
// there already.
func start(t *testing.T, seedText string, change ...func(*config.Config)) *server {
	t.Helper()
	s := &server{data: t.TempDir(), log: &safeBuffer{}}
	cfg := &config.Config{
		Listen: "127.0.0.1:0", LDAPListen: "127.0.0.1:0", LDAPSListen: "127.0.0.1:0", KDCListen: "127.0.0.1:0", KpasswdListen: "127.0.0.1:0",
		Data: s.data, AccountID: "123456789012", UnlockOnReset: true,
	}
	for _, each := range change {
		each(cfg)
	}
	s.data = cfg.Data
	if seedText != "" {
		cfg.Seed = filepath.Join(t.TempDir(), "seed.yaml")
		if err := os.WriteFile(cfg.Seed, []byte(seedText), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	read, write := io.Pipe()
	built, err := app.New(ctx, cfg, slog.New(slog.NewJSONHandler(s.log, nil)), write)
	if err != nil {
		t.Fatal(err)
	}
	running, finish := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- built.Run(running) }()
	if err := json.NewDecoder(read).Decode(s); err != nil {
		t.Fatal(err)
	}
	done := false
	s.stop = func() {
		if done {
			return
		}
		done = true
		finish()
		if err := <-stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
		if said := s.log.String(); strings.Contains(said, "throws what it does not declare") {
			t.Errorf("an exception that the model does not declare:\n%s", said)
		}
	}
	t.Cleanup(s.stop)
	return s
}
