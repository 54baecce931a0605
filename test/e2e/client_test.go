package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

const home = "us-east-1" // the region of the seeds' directories

// answer is what a client made of the server's answer. Members that a client does not tell are empty.
type answer struct {
	Exception string // its name; "" for a success
	Typed     bool   // the exception came as the client's own type for it
	Message   string
	Status    int
	RequestID string // of the response's header
	MemberID  string // of the exception's member RequestId
	Output    map[string]any
}

// caller makes one call with a client that we did not write. input has the members of the API reference.
type caller func(t *testing.T, region, operation string, input map[string]any) answer

// missing ends a test whose client is not installed: under CI it fails.
func missing(t *testing.T, what, hint string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing (hint: %s)", what, hint)
	}
	t.Skipf("%s is missing (hint: %s)", what, hint)
}

// program is Debian's program of that name, whatever else comes first in PATH.
func program(t *testing.T, name, pack string) string {
	t.Helper()
	path := filepath.Join("/usr/bin", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name, "apt-get install "+pack)
	}
	return path
}

// environment has nothing of this process's: no proxy, no credentials, no second Python.
func environment(t *testing.T, s *server, more ...string) []string {
	t.Helper()
	return append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + t.TempDir(), "LANG=C.UTF-8", "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "NO_PROXY=*", "AWS_SHARED_CREDENTIALS_FILE=" + s.credentialsFile(), "E2E_ENDPOINT=" + s.API,
		// Only a server with TLS needs these: its certificate is of the authority that LDAP's is of.
		"AWS_CA_BUNDLE=" + s.caFile(), "NODE_EXTRA_CA_CERTS=" + s.caFile(), "CURL_CA_BUNDLE=" + s.caFile(),
	}, more...)
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, text []byte, out any) {
	t.Helper()
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

// aws-sdk-go-v2

func goSDK(s *server, region string) *directoryservice.Client {
	key, secret := s.root()
	return directoryservice.New(directoryservice.Options{
		Region: region, BaseEndpoint: &s.API, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

func goClient(_ *testing.T, s *server) caller {
	return func(t *testing.T, region, operation string, input map[string]any) answer {
		t.Helper()
		return callGoSDK(t, s, region, operation, input)
	}
}

func callGoSDK(t *testing.T, s *server, region, operation string, input map[string]any) answer {
	t.Helper()
	return goCall(t, goSDK(s, region), operation, input)
}

// goCall calls the client's method for the operation.
func goCall(t *testing.T, client *directoryservice.Client, operation string, input map[string]any) answer {
	t.Helper()
	method := reflect.ValueOf(client).MethodByName(operation)
	if !method.IsValid() {
		t.Fatalf("the Go SDK has no operation %s", operation)
	}
	in := reflect.New(method.Type().In(1).Elem())
	decode(t, encode(t, input), in.Interface())
	results := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
	if err, failed := results[1].Interface().(error); failed {
		return goFault(t, err)
	}
	out := results[0]
	a := answer{Status: http.StatusOK}
	decode(t, encode(t, out.Interface()), &a.Output)
	delete(a.Output, "ResultMetadata")
	a.RequestID, _ = awsmiddleware.GetRequestIDMetadata(out.Elem().FieldByName("ResultMetadata").Interface().(middleware.Metadata))
	return a
}

// goFault finds the SDK's own type of an exception.
func goFault(t *testing.T, err error) answer {
	t.Helper()
	var a answer
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		a.Status, a.RequestID = response.HTTPStatusCode(), response.ServiceRequestID()
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("not an answer of the server: %v", err)
	}
	a.Exception, a.Message = api.ErrorCode(), api.ErrorMessage()
	typed := reflect.ValueOf(api).Elem()
	if id := typed.FieldByName("RequestId"); id.IsValid() {
		a.Typed, a.MemberID = typed.Type().Name() == a.Exception, aws.ToString(id.Interface().(*string))
	}
	return a
}

// The AWS CLI

var (
	word     = regexp.MustCompile(`([a-z])([A-Z])`)
	cliError = regexp.MustCompile(`(?s)^\s*An error occurred \((\w+)\) when calling the (\w+) operation(?: \([^)]*\))?: (.*?)\s*$`)
)

// aws runs the CLI.
func runCLI(t *testing.T, s *server, region string, args ...string) (out, said string, code int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{"--endpoint-url", s.API, "--region", region, "--output", "json", "ds"}, args...)...)
	command.Env = environment(t, s)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), command.ProcessState.ExitCode()
}

func commandLine(t *testing.T, s *server) caller {
	t.Helper()
	program(t, "aws", "awscli")
	return func(t *testing.T, region, operation string, input map[string]any) answer {
		t.Helper()
		kebab := strings.ToLower(word.ReplaceAllString(operation, "$1-$2"))
		out, said, code := runCLI(t, s, region, kebab, "--cli-input-json", string(encode(t, input)))
		return readCLI(t, operation, out, said, code)
	}
}

const cliServiceError = 254 // the CLI's exit code for an exception of the service

func readCLI(t *testing.T, operation, out, said string, code int) answer {
	t.Helper()
	if code == 0 {
		a := answer{Status: http.StatusOK}
		if strings.TrimSpace(out) != "" {
			decode(t, []byte(out), &a.Output)
		}
		return a
	}
	parts := cliError.FindStringSubmatch(said)
	if parts == nil || parts[2] != operation {
		t.Fatalf("the CLI ended with %d and said %q", code, said)
	}
	return answer{Exception: parts[1], Typed: code == cliServiceError, Message: parts[3]}
}

// boto3 and the JavaScript SDK

// driver keeps a program running that makes a call for each line it reads.
func driver(t *testing.T, command *exec.Cmd) caller {
	t.Helper()
	var said safeBuffer
	command.Stderr = &said
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), command.Wait()); err != nil {
			t.Errorf("%v: %v\n%s", command.Args, err, said.String())
		}
	})
	lines := bufio.NewReader(out)
	return func(t *testing.T, region, operation string, input map[string]any) answer {
		t.Helper()
		call := map[string]any{"region": region, "operation": operation, "input": input}
		if _, err := in.Write(append(encode(t, call), '\n')); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		var a answer
		decode(t, line, &a)
		return a
	}
}

func boto3(t *testing.T, s *server) caller { return boto3With(t, s) }

// boto3With is boto3 with more in its environment.
func boto3With(t *testing.T, s *server, more ...string) caller {
	t.Helper()
	python := program(t, "python3", "python3-boto3")
	check := exec.Command(python, "-c", "import boto3")
	check.Env = environment(t, s)
	if err := check.Run(); err != nil {
		missing(t, "boto3", "apt-get install python3-boto3")
	}
	command := exec.Command(python, "testdata/boto3_driver.py")
	command.Env = environment(t, s, more...)
	return driver(t, command)
}

func javaScript(t *testing.T, s *server) caller { return javaScriptWith(t, s) }

func javaScriptWith(t *testing.T, s *server, more ...string) caller {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", "apt-get install nodejs npm")
	}
	command := exec.Command(node, "js/driver.cjs")
	command.Env = environment(t, s, append(more, "E2E_MODULES="+nodeModules(t, "js"))...)
	return driver(t, command)
}

// nodeModules is a folder with the packages of the package-lock.json in from, which is made once for each state of that file.
func nodeModules(t *testing.T, from string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "latchkey-e2e", digest(lock)[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), "draft-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(draft)
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(draft, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		missing(t, "npm", "apt-get install npm")
	}
	install := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	install.Dir = draft
	if said, err := install.CombinedOutput(); err != nil {
		missing(t, from+"/node_modules", "npm ci in "+from+" must work: "+strings.TrimSpace(string(said)))
	}
	if err := os.Rename(draft, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// curl --aws-sigv4

func curl(t *testing.T, s *server) caller {
	t.Helper()
	path := program(t, "curl", "curl")
	key, secret := s.root()
	return func(t *testing.T, region, operation string, input map[string]any) answer {
		t.Helper()
		command := exec.CommandContext(t.Context(), path, "--silent", "--show-error", "--include", "--http1.1", "--aws-sigv4", "aws:amz:"+region+":ds", "--user", key+":"+secret,
			"--header", "Content-Type: application/x-amz-json-1.1", "--header", "X-Amz-Target: DirectoryService_20150416."+operation, "--header", "Expect:",
			"--data-binary", "@-", s.API+"/")
		command.Env = environment(t, s)
		command.Stdin = bytes.NewReader(encode(t, input))
		var stderr bytes.Buffer
		command.Stderr = &stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, stderr.String())
		}
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
		if err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		defer response.Body.Close()
		return readRaw(t, response)
	}
}

// readRaw is what an answer says by itself.
func readRaw(t *testing.T, response *http.Response) answer {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: response.StatusCode, RequestID: response.Header.Get("X-Amzn-Requestid")}
	if len(body) == 0 {
		return a
	}
	var members map[string]any
	decode(t, body, &members)
	if response.StatusCode == http.StatusOK {
		a.Output = members
		return a
	}
	text := func(name string) string { value, _ := members[name].(string); return value }
	a.Exception, a.Typed, a.Message, a.MemberID = text("__type"), true, text("Message"), text("RequestId")
	if a.Message == "" {
		a.Message = text("message")
	}
	return a
}

// root is the server's root key.
func (s *server) root() (key, secret string) {
	text, err := os.ReadFile(s.credentialsFile())
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		switch name {
		case "aws_access_key_id":
			key = value
		case "aws_secret_access_key":
			secret = value
		}
	}
	return key, secret
}

// reset is the input of ResetUserPassword.
func reset(directory, user, password string) map[string]any {
	return map[string]any{"DirectoryId": directory, "UserName": user, "NewPassword": password}
}

var requestIDTail = regexp.MustCompile(` : RequestId: ([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})$`)

// refused holds an answer against the exception that it should be, and the ids in it against each other.
func (a answer) refused(t *testing.T, exception, message string) {
	t.Helper()
	if a.Exception != exception || !a.Typed {
		t.Errorf("got %q (typed: %v), want %s; message %q", a.Exception, a.Typed, exception, a.Message)
		return
	}
	if !strings.Contains(a.Message, message) {
		t.Errorf("the message is %q, want %q in it", a.Message, message)
	}
	tail := requestIDTail.FindStringSubmatch(a.Message)
	if tail == nil {
		t.Errorf("the message %q does not end with the request's id", a.Message)
		return
	}
	for where, id := range map[string]string{"header": a.RequestID, "member": a.MemberID} {
		if id != "" && id != tail[1] {
			t.Errorf("the message's request id is %s, the %s's %s", tail[1], where, id)
		}
	}
	want := http.StatusBadRequest
	if exception == "ServiceException" {
		want = http.StatusInternalServerError
	}
	if a.Status != 0 && a.Status != want {
		t.Errorf("status %d, want %d", a.Status, want)
	}
}

// accepted fails for anything but a success.
func (a answer) accepted(t *testing.T) {
	t.Helper()
	if a.Exception != "" || a.Status != http.StatusOK {
		t.Fatalf("refused: %s", a)
	}
}

func (a answer) String() string {
	return fmt.Sprintf("%s %s (status %s)", a.Exception, a.Message, strconv.Itoa(a.Status))
}
