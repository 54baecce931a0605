// Package fault does to the server what fails in earnest: it is killed, stopped, starved of disk and pestered. What it
// acknowledged is to hold, nothing is to be half done, and the audit trail is to agree.
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
	"strconv"
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
	patience      = time.Minute
)

// program is the directory of the binary under test, which TestMain makes.
var program string

func TestMain(m *testing.M) {
	os.Exit(build(m.Run))
}

func build(run func() int) int {
	dir, err := os.MkdirTemp("", "latchkey-fault-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "latchkey")
	if said, err := exec.Command("go", "build", "-o", program, "latchkey/cmd/latchkey").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s\n", err, said)
		return 1
	}
	return run()
}

// server is the real program in a process of its own.
type server struct {
	API   string `json:"api"`
	LDAP  string `json:"ldap"`
	LDAPS string `json:"ldaps"`
	// Metrics is there only with --metrics-listen.
	Metrics string `json:"metrics"`

	process *exec.Cmd
	stderr  safeBuffer
	trust   *tls.Config
	exited  chan struct{} // closed when it has ended
	err     error         // how; to be read after exited
}

// safeBuffer takes what a process says while somebody reads it.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(text)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// launch starts a server on a data directory, with more arguments; lines carries what it prints.
func launch(t *testing.T, data, seed string, more ...string) (s *server, lines io.Reader) {
	t.Helper()
	arguments := []string{"serve", "--data", data, "--free-ports", "--log-level", "warn"}
	if seed != "" {
		arguments = append(arguments, "--seed", seed)
	}
	arguments = append(arguments, more...)
	s = &server{process: exec.Command(program, arguments...), exited: make(chan struct{})}
	s.process.Env = append(os.Environ(), "LATCHKEY_ROOT_ACCESS_KEY_ID="+accessKey, "LATCHKEY_ROOT_SECRET_ACCESS_KEY="+secretKey)
	s.process.Stderr = &s.stderr
	lines, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.process.Stdout = output
	err = s.process.Start()
	_ = output.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.exited)
		s.err = s.process.Wait()
	}()
	t.Cleanup(s.kill)
	return s, lines
}

// try starts a server and waits until it is ready; it may fail to become so.
func try(t *testing.T, data, seed string, more ...string) (*server, error) {
	t.Helper()
	s, output := launch(t, data, seed, more...)
	// A server that hangs says where.
	timer := time.AfterFunc(patience, func() { _ = s.process.Process.Signal(syscall.SIGQUIT) })
	line, err := bufio.NewReader(output).ReadBytes('\n')
	timer.Stop()
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	if err != nil {
		s.kill()
		return s, fmt.Errorf("the server did not become ready: %w\n%s", err, s.stderr.String())
	}
	ca, err := os.ReadFile(filepath.Join(data, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.trust = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	s.trust.RootCAs.AppendCertsFromPEM(ca)
	return s, nil
}

func start(t *testing.T, data, seed string, more ...string) *server {
	t.Helper()
	s, err := try(t, data, seed, more...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kill ends the process at once, without a word. Killing twice does nothing.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	<-s.exited
}

func (s *server) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// stop asks the process to end and waits for it.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatalf("the server does not stop\n%s", s.stderr.String())
	}
	if s.err != nil {
		t.Fatalf("SIGTERM: %v\n%s", s.err, s.stderr.String())
	}
}

func (s *server) dead() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// sign makes a call whose client's clock shows at. agent is its user agent, by which the audit trail tells calls apart.
func (s *server) sign(ctx context.Context, operation, agent string, input any, at time.Time) (*http.Request, error) {
	encoded, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.API, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "DirectoryService_20150416."+operation)
	request.Header.Set("User-Agent", agent)
	hash := sha256.Sum256(encoded)
	key := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	return request, v4.NewSigner().SignHTTP(ctx, key, request, hex.EncodeToString(hash[:]), "ds", region, at)
}

func (s *server) call(ctx context.Context, client *http.Client, operation, agent string, input any) (status int, body []byte, err error) {
	request, err := s.sign(ctx, operation, agent, input, time.Now())
	if err != nil {
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

// must makes a call that has to succeed.
func (s *server) must(t *testing.T, operation string, input, output any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, body, err := s.call(ctx, http.DefaultClient, operation, "fault", input)
	if err == nil && status == http.StatusOK && output != nil {
		err = json.Unmarshal(body, output)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", operation, status, body, err)
	}
}

func resetOf(user, password string) map[string]string {
	return map[string]string{"DirectoryId": directoryID, "UserName": user, "NewPassword": password}
}

func (s *server) dial(t *testing.T) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(s.LDAPS, ldap.DialWithTLSConfig(s.trust))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// login is a bind over LDAPS: "" when it succeeds, AD's data code when it is refused.
func (s *server) login(t *testing.T, name, password string) string {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	err := conn.Bind(name, password)
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

// administrator is a connection that may read and write everything.
func (s *server) administrator(t *testing.T) *ldap.Conn {
	t.Helper()
	conn := s.dial(t)
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind("Administrator@"+domainName, adminPassword); err != nil {
		t.Fatal(err)
	}
	return conn
}

// account is what a reset changes besides the password.
type account struct {
	disabled bool
	set      time.Time // pwdLastSet
}

const (
	disabledFlag = 0x2
	// epochs is how much later than FILETIME's epoch Unix's is, in FILETIME's unit of 100 ns.
	epochs = 116444736000000000
)

func look(t *testing.T, conn *ldap.Conn, name string) account {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(baseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(sAMAccountName="+name+")", []string{"userAccountControl", "pwdLastSet"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%s: %v, %v", name, found, err)
	}
	control, err := strconv.Atoi(found.Entries[0].GetAttributeValue("userAccountControl"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := strconv.ParseInt(found.Entries[0].GetAttributeValue("pwdLastSet"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return account{control&disabledFlag != 0, time.Unix(0, (set-epochs)*100)}
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
