package e2e

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/app"
	"latchkey/internal/certificate"
	"latchkey/internal/config"
)

var errStarted = errors.New("the server started")

// TestSecondServer: a data directory has one server at a time, and the second one says so.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	second := func() error {
		cfg := &config.Config{Listen: "127.0.0.1:0", LDAPListen: "127.0.0.1:0", LDAPSListen: "127.0.0.1:0", Data: s.data, AccountID: "123456789012"}
		failed := make(chan error, 1)
		go func() {
			built, err := app.New(t.Context(), cfg, slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), io.Discard)
			if err == nil {
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				err = errors.Join(errStarted, built.Run(ended))
			}
			failed <- err
		}()
		select {
		case err := <-failed:
			return err
		case <-time.After(startTimeout):
			return errors.New("it waits")
		}
	}
	err := second()
	if !errors.Is(err, app.ErrLocked) || !strings.Contains(err.Error(), s.data) || !strings.Contains(err.Error(), "--data") {
		t.Errorf("got %v", err)
	}
	// The first one is none the worse for it.
	callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	logins(t, s, `CORP\jane`, firstPassword, nextPassword)
	s.stop()
	if err := second(); !errors.Is(err, errStarted) {
		t.Errorf("after the first server stopped: %v", err)
	}
}

// TestAddressTaken: a taken address is named, and leaves nothing behind.
func TestAddressTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	data := filepath.Join(t.TempDir(), "data")
	cfg := &config.Config{Listen: "127.0.0.1:0", LDAPListen: taken.Addr().String(), LDAPSListen: "127.0.0.1:0", Data: data, AccountID: "123456789012"}
	_, err = app.New(t.Context(), cfg, slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "--ldap-listen") || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a data directory: %v", err)
	}
}

// TestRestart: what was there before is there after, and the seed changes none of it.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	call(t, home, "ResetUserPassword", reset(corpID, "off", nextPassword)).accepted(t)
	made, _ := call(t, home, "CreateMicrosoftAD", managed("made.example.com")).Output["DirectoryId"].(string)
	halfway, _ := call(t, home, "CreateDirectory", simple("halfway.example.com")).Output["DirectoryId"].(string)
	before := become(t, call, home, made, "Active")
	token := call(t, home, "DescribeDirectories", map[string]any{"Limit": 1}).Output["NextToken"]
	person := entry(t, s, corpAdmin, corpBase, "jane")
	key, secret := s.root()
	ca, err := os.ReadFile(s.caFile())
	if err != nil {
		t.Fatal(err)
	}
	s.stop()

	for name, mode := range map[string]os.FileMode{"": 0o700, "master.key": 0o600, "root-credentials": 0o600, "audit.log": 0o600, "store": 0o700} {
		info, err := os.Stat(filepath.Join(s.data, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v, %v, want mode %o", name, info, err, mode)
		}
	}

	// The same seed twice more, and none.
	for _, seed := range []string{worldSeed, ""} {
		again := start(t, seed, func(c *config.Config) { c.Data = s.data })
		call := goClient(t, again)
		logins(t, again, `CORP\jane`, firstPassword, nextPassword)
		logins(t, again, `CORP\off`, firstPassword, nextPassword)
		if after := described(t, call, home, made); after["Stage"] != "Active" || after["LaunchTime"] != before["LaunchTime"] || after["StageLastUpdatedDateTime"] != before["StageLastUpdatedDateTime"] {
			t.Errorf("before %v, after %v", before, after)
		}
		become(t, call, home, halfway, "Active")
		if data := login(t, again, "Administrator@halfway.example.com", adminPassword); data != "" {
			t.Errorf("the directory that was made halfway: data %s", data)
		}
		if after := entry(t, again, corpAdmin, corpBase, "jane"); without(after, "badPwdCount", "badPasswordTime", "whenChanged", "uSNChanged") != without(person, "badPwdCount", "badPasswordTime", "whenChanged", "uSNChanged") {
			t.Errorf("before\n%s\nafter\n%s", person, after)
		}
		call(t, home, "DescribeDirectories", map[string]any{"NextToken": token}).accepted(t)
		if newKey, newSecret := again.root(); newKey != key || newSecret != secret {
			t.Error("the root key changed")
		}
		if newCA, err := os.ReadFile(again.caFile()); err != nil || string(newCA) != string(ca) {
			t.Errorf("the CA changed (%v)", err)
		}
		again.stop()
	}
	if count := entriesOf(t, s.data, corpID); count < 50 {
		t.Errorf("the store has %d entries of a directory", count)
	}
}

// without is an entry without some of its attributes: what a wrong password changes.
func without(said string, names ...string) string {
	var lines []string
	for line := range strings.Lines(said) {
		name, _, _ := strings.Cut(line, ":")
		if !slices.Contains(names, name) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestDev: with --dev any access key is good, and nothing stays behind. It alone sets the folder for temporary files.
func TestDev(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	s := start(t, worldSeed, func(c *config.Config) { c.Dev = true })
	left, err := filepath.Glob(filepath.Join(temporary, "latchkey-dev-*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("temporary directories: %v, %v", left, err)
	}
	if files, err := os.ReadDir(s.data); err != nil || len(files) != 0 {
		t.Errorf("the data directory has %v (%v)", files, err)
	}
	body := resetBody(t, corpID, "jane", nextPassword)
	for _, key := range []string{"test", "AKIAIOSFODNN7EXAMPLE"} {
		if got := (raw{operation: "ResetUserPassword", body: body, key: key, secret: "whatever"}).send(t, s); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", key, got.status, got.body)
		}
	}
	// Any key, but a signature for this service, now.
	for name, r := range map[string]raw{
		"no signature": {unsigned: true}, "another service": {key: "test", secret: "test", service: "s3"}, "long ago": {key: "test", secret: "test", ahead: -time.Hour},
	} {
		if got := r.send(t, s); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	s.stop()
	if left, _ := filepath.Glob(filepath.Join(temporary, "latchkey-dev-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestHTTPS: clients that trust the certificate's authority call the API over TLS, and the audit trail says so.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) {
		if _, _, err := certificate.Load(c.Data, []string{"127.0.0.1"}, time.Now); err != nil {
			t.Fatal(err)
		}
		c.TLSCert, c.TLSKey = filepath.Join(c.Data, "tls", "server.pem"), filepath.Join(c.Data, "tls", "server.key")
	})
	if !strings.HasPrefix(s.API, "https://") {
		t.Fatalf("the API is at %s", s.API)
	}
	for name, make := range map[string]func(*testing.T, *server) caller{"cli": commandLine, "boto3": boto3, "js": javaScript, "curl": curl} {
		t.Run(name, func(t *testing.T) {
			make(t, s)(t, home, "ResetUserPassword", reset(corpID, "kim."+name, nextPassword)).accepted(t)
			records := auditLog(t, s)
			details, _ := records[len(records)-1]["tlsDetails"].(map[string]any)
			version, _ := details["tlsVersion"].(string)
			if !strings.HasPrefix(version, "TLSv1.") || details["cipherSuite"] == "" || details["clientProvidedHostHeader"] != strings.TrimPrefix(s.API, "https://") {
				t.Errorf("tlsDetails are %v", details)
			}
		})
	}
	if err := exec.CommandContext(t.Context(), program(t, "curl", "curl"), "--silent", "--cacert", "/etc/ssl/certs/ca-certificates.crt", s.API).Run(); err == nil { //nolint:gosec // the tests' own words
		t.Error("a client that does not know the authority was satisfied")
	}
}

// TestStop: a call that is under way when the server is told to stop has its answer, and the change holds.
func TestStop(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	address, err := url.Parse(s.API)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	body := resetBody(t, corpID, "jane", nextPassword)
	var wire strings.Builder
	call := raw{operation: "ResetUserPassword", body: body, header: map[string]string{"Expect": "100-continue"}}
	if err := call.request(t, s).Write(&wire); err != nil {
		t.Fatal(err)
	}
	header, rest, _ := strings.Cut(wire.String(), "\r\n\r\n")
	if _, err := io.WriteString(connection, header+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(connection)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v: the server does not wait for the body", line, err)
	}

	stopped := make(chan struct{})
	go func() { s.stop(); close(stopped) }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		late, err := net.Dial("tcp", address.Host)
		if err != nil {
			break
		}
		_ = late.Close()
		if time.Now().After(deadline) {
			t.Fatal("the server still takes connections")
		}
	}
	if _, err := io.WriteString(connection, rest); err != nil {
		t.Fatal(err)
	}
	if _, err := answers.ReadString('\n'); err != nil { // the end of the first answer
		t.Fatal(err)
	}
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	readRaw(t, response).accepted(t)
	_ = response.Body.Close()
	began := time.Now()
	<-stopped
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s more", took)
	}
	if said, code := openldap(t, s, "ldapwhoami", ""); code == 0 {
		t.Errorf("LDAP still answers: %s", said)
	}
	again := start(t, "", func(c *config.Config) { c.Data = s.data })
	logins(t, again, `CORP\jane`, firstPassword, nextPassword)
}
