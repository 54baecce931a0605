// Package fault kills the server, and checks that what it acknowledged is there when it is back.
package fault

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/go-ldap/ldap/v3"
)

const (
	accessKey     = "AKIAFAULTFAULTFAULTF"
	secretKey     = "fault-fault-fault-fault-fault-fault-0000"
	region        = "us-east-1"
	adminPassword = "Harbour-Light-11"
	firstPassword = "Winter-Sun-2025"
	patience      = 30 * time.Second
)

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "latchkey-fault-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "latchkey")
	if said, err := exec.Command("go", "build", "-o", path, "latchkey/cmd/latchkey").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// server is the real program in a process of its own.
type server struct {
	API   string `json:"api"`
	LDAPS string `json:"ldaps"`

	data    string
	process *exec.Cmd
	stderr  bytes.Buffer
	trust   *tls.Config
}

// command is a server on a data directory, not started yet.
func command(t *testing.T, data, seed string) (*server, io.Reader) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--ldap-listen", "127.0.0.1:0", "--ldaps-listen", "127.0.0.1:0", "--log-level", "warn"}
	if seed != "" {
		arguments = append(arguments, "--seed", seed)
	}
	s := &server{data: data, process: exec.Command(path, arguments...)}
	s.process.Env = append(os.Environ(), "LATCHKEY_ROOT_ACCESS_KEY_ID="+accessKey, "LATCHKEY_ROOT_SECRET_ACCESS_KEY="+secretKey)
	s.process.Stderr = &s.stderr
	output, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return s, output
}

// start runs a server and waits until it is ready.
func start(t *testing.T, data, seed string) *server {
	t.Helper()
	s, output := command(t, data, seed)
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	timer := time.AfterFunc(patience, s.kill)
	line, err := bufio.NewReader(output).ReadBytes('\n')
	timer.Stop()
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	if err != nil {
		s.kill()
		t.Fatalf("the server did not become ready: %v\n%s", err, s.stderr.String())
	}
	ca, err := os.ReadFile(filepath.Join(data, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.trust = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	s.trust.RootCAs.AppendCertsFromPEM(ca)
	return s
}

// kill ends the process at once, without a word. Killing twice does nothing.
func (s *server) kill() {
	if s.process.ProcessState == nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
	}
}

// stop asks the process to end and waits for it.
func (s *server) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.process.Wait()
}

// call makes a signed call. agent is its user agent, by which the audit trail tells calls apart.
func (s *server) call(ctx context.Context, client *http.Client, operation, agent string, input any) (status int, body []byte, err error) {
	encoded, err := json.Marshal(input)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.API, bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "DirectoryService_20150416."+operation)
	request.Header.Set("User-Agent", agent)
	hash := sha256.Sum256(encoded)
	key := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	if err := v4.NewSigner().SignHTTP(ctx, key, request, hex.EncodeToString(hash[:]), "ds", region, time.Now()); err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// login is a bind over LDAPS: "" when it succeeds, AD's data code when it is refused.
func (s *server) login(t *testing.T, name, password string) string {
	t.Helper()
	conn, err := ldap.DialURL(s.LDAPS, ldap.DialWithTLSConfig(s.trust))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Bind(name, password)
	var refusal *ldap.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal) && refusal.ResultCode == ldap.LDAPResultInvalidCredentials:
		_, rest, _ := strings.Cut(refusal.Err.Error(), "data ")
		code, _, _ := strings.Cut(rest, ",")
		return code
	}
	t.Fatalf("bind of %s: %v", name, err)
	return ""
}

// event is what the audit trail says of a call.
type event struct {
	Name      string `json:"eventName"`
	UserAgent string `json:"userAgent"`
	ErrorCode string `json:"errorCode"`
}

// audit reads the trail: the events of each user agent. Every line must be whole.
func audit(t *testing.T, data string) map[string][]event {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	events := map[string][]event{}
	for line := range bytes.Lines(text) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("audit.log has a line that is not JSON: %v: %q", err, line)
		}
		events[e.UserAgent] = append(events[e.UserAgent], e)
	}
	return events
}
