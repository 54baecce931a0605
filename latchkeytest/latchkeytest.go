// Package latchkeytest starts a Latchkey server inside a Go test: AWS Directory Service on free ports of 127.0.0.1, with
// directories that one can really log in to. Servers share nothing, so that tests can run in parallel.
//
//	srv := latchkeytest.Start(t, seed)
//	client := directoryservice.New(directoryservice.Options{
//		Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
//	})
package latchkeytest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"latchkey/internal/app"
	"latchkey/internal/config"
	"latchkey/internal/identity"
	"latchkey/internal/sigv4"
)

// Server is a server that runs until its test ends. It takes every access key; one of 12 digits is that account's.
type Server struct {
	URL   string // of the AWS API, http://127.0.0.1:…
	LDAP  string // ldap://127.0.0.1:…, with StartTLS
	LDAPS string // ldaps://127.0.0.1:…
	KDC   string // 127.0.0.1:…, Kerberos over UDP and TCP
	// Kpasswd is the address for changing passwords by Kerberos.
	Kpasswd string
	// CA is the path of the certificate (PEM) that LDAP's is signed by.
	CA string

	t testing.TB
}

// Option changes how a server is started.
type Option func(*config.Config)

// Delay makes the server slow: what is create, delete, restore or snapshot.
func Delay(what string, d time.Duration) Option {
	return func(c *config.Config) { c.DevDelay = append(c.DevDelay, what+"="+d.String()) }
}

const startLimit = time.Minute

// Start starts a server with the directories of a seed, YAML as in `latchkey serve --seed`; "" is none. It ends with the test,
// and its log is shown if the test fails.
func Start(t testing.TB, seed string, options ...Option) *Server {
	t.Helper()
	cfg := &config.Config{
		Listen: "127.0.0.1:0", LDAPListen: "127.0.0.1:0", LDAPSListen: "127.0.0.1:0", KDCListen: "127.0.0.1:0", KpasswdListen: "127.0.0.1:0",
		Dev: true, Data: config.DefaultData, Engine: "embedded",
		AccountID: "123456789012", UnlockOnReset: true, LogLevel: "info", LogFormat: "json",
	}
	for _, option := range options {
		option(cfg)
	}
	if seed != "" {
		cfg.Seed = filepath.Join(t.TempDir(), "seed.yaml")
		if err := os.WriteFile(cfg.Seed, []byte(seed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := cfg.Validate(); err != nil {
		t.Fatalf("latchkeytest: %v", err)
	}
	log := &output{}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	ready, announce := io.Pipe()
	built, err := app.New(ctx, cfg, slog.New(slog.NewJSONHandler(log, nil)), announce)
	if err != nil {
		t.Fatalf("latchkeytest: %v\n%s", err, log)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- built.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("latchkeytest: %v", err)
		}
		if t.Failed() {
			t.Logf("the log of the server:\n%s", log)
		}
	})
	var line struct{ API, LDAP, LDAPS, KDC, Kpasswd, CA string }
	if err := json.NewDecoder(ready).Decode(&line); err != nil {
		t.Fatalf("latchkeytest: %v", err)
	}
	return &Server{URL: line.API, LDAP: line.LDAP, LDAPS: line.LDAPS, KDC: line.KDC, Kpasswd: line.Kpasswd, CA: line.CA, t: t}
}

// Reset puts the server back to its seed, in milliseconds.
func (s *Server) Reset() {
	s.t.Helper()
	s.call("ResetServer", struct{}{})
}

// Fault is what happens to calls: an exception, a delay, or a connection that is dropped. What is empty fits every call.
type Fault struct {
	Operation   string        // ResetUserPassword
	DirectoryID string        // d-…
	UserName    string        // jane
	Code        string        // ThrottlingException
	Message     string        // what the exception says
	Delay       time.Duration // before the answer
	Drop        bool          // no answer
	Times       int           // how many calls; 0 is all
}

// Fault has calls answered with a fault, until Reset or ClearFaults.
func (s *Server) Fault(f Fault) {
	s.t.Helper()
	in := map[string]any{}
	for name, text := range map[string]string{"Operation": f.Operation, "DirectoryId": f.DirectoryID, "UserName": f.UserName, "Code": f.Code, "Message": f.Message} {
		if text != "" {
			in[name] = text
		}
	}
	if f.Delay > 0 {
		in["DelayMilliseconds"] = f.Delay.Milliseconds()
	}
	if f.Drop {
		in["Drop"] = true
	}
	if f.Times > 0 {
		in["Times"] = f.Times
	}
	s.call("AddFault", in)
}

// ClearFaults ends all faults.
func (s *Server) ClearFaults() {
	s.t.Helper()
	s.call("ClearFaults", struct{}{})
}

// Stage keeps a directory in a stage, such as Impaired; "" lets it go.
func (s *Server) Stage(directoryID, stage string) {
	s.t.Helper()
	in := map[string]any{"DirectoryId": directoryID, "Stage": stage}
	if stage == "" {
		in = map[string]any{"DirectoryId": directoryID, "Release": true}
	}
	s.call("SetStage", in)
}

// call makes a call of Latchkey's own API.
func (s *Server) call(operation string, in any) {
	s.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Latchkey_20261101."+operation)
	key := identity.Credentials{AccessKeyID: "latchkeytest", SecretAccessKey: "latchkeytest"}
	if err := sigv4.Sign(request, body, key, "", "ds", "us-east-1", time.Now()); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatalf("latchkeytest: %s: %v", operation, err)
	}
	defer func() { _ = response.Body.Close() }()
	if said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16)); response.StatusCode != http.StatusOK {
		s.t.Fatalf("latchkeytest: %s: %s", operation, said)
	}
}

// output is a log that many write to.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
