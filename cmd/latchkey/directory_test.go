package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/identity"
	"latchkey/internal/sigv4"
	"latchkey/internal/wire"
)

const (
	testKey    = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	testToken  = "a-session-token"
)

// told is a server's answer to one call.
type told struct {
	status int
	body   string
	kind   string // X-Amzn-Errortype
}

// testServer answers each call with the next of its answers, once it has verified the signature.
type testServer struct {
	*httptest.Server
	calls []string // X-Amz-Target, or path and query, and body
}

func newServer(t *testing.T, token string, start func(http.Handler) *httptest.Server, answers ...told) *testServer {
	t.Helper()
	verifier := sigv4.New(sigv4.Options{
		Service: func(r *http.Request) string { return wire.Of(r).Signing }, Now: time.Now,
		Lookup: func(_ context.Context, key, session string) (string, identity.Principal, error) {
			if key != testKey || session != token {
				return "", identity.Principal{}, identity.ErrUnknownKey
			}
			return testSecret, identity.Principal{}, nil
		},
	})
	s := &testServer{}
	s.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		proof, err := verifier.Verify(r.Context(), r, body)
		if err != nil || proof.Region != "eu-west-1" {
			t.Errorf("%+v, %v", proof, err)
		}
		target := r.Header.Get("X-Amz-Target")
		if wire.Of(r).REST() {
			target = r.URL.RequestURI()
		}
		s.calls = append(s.calls, target+" "+string(body))
		answer := told{status: http.StatusTeapot, body: "no more answers"}
		if len(s.calls) <= len(answers) {
			answer = answers[len(s.calls)-1]
		}
		w.Header().Set("Location", "/elsewhere")
		if answer.kind != "" {
			w.Header().Set(wire.ErrorTypeHeader, answer.kind)
		}
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.body)
	}))
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"LATCHKEY_ENDPOINT_URL": s.URL, "AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": "", "NO_PROXY": "*",
		"LATCHKEY_DIRECTORY": "", "AWS_ACCESS_KEY_ID": testKey, "AWS_SECRET_ACCESS_KEY": testSecret, "AWS_SESSION_TOKEN": token,
	} {
		t.Setenv(name, value)
	}
	return s
}

// latchkey runs a command.
func latchkey(args ...string) (out, said string, code int) { return latchkeyReads("", args...) }

// latchkeyReads is latchkey with something on standard input.
func latchkeyReads(in string, args ...string) (out, said string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(args, streams{strings.NewReader(in), &stdout, &stderr})
	return stdout.String(), stderr.String(), code
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

const findings = `{"Findings":[` +
	`{"Name":"reachable","Status":"ok","Detail":"dc1 answers\nin 2 ms"},` +
	`{"Name":"rights","Status":"failed","Detail":"may not write \u001b[31mlockoutTime","Fix":"run latchkey directory delegation\nor leave it out"},` +
	`{"Name":"clock","Status":"skipped"}]}`

func TestCheck(t *testing.T) {
	s := newServer(t, "", httptest.NewServer, told{status: 200, body: findings}, told{status: 200, body: findings}, told{status: 200, body: `{"Findings":[{"Name":"clock","Status":"warning","Detail":"3 s ahead"}]}`})
	out, said, code := latchkey("directory", "check", "d-1234567890")
	want(t, "output", out, `ok       reachable  dc1 answers
                    in 2 ms
failed   rights     may not write �[31mlockoutTime
         fix: run latchkey directory delegation
         or leave it out
skipped  clock
`)
	want(t, "error", said, "latchkey: error: 1 of 3 checks of d-1234567890 failed\n")
	if code != exitFailure {
		t.Errorf("exit status %d", code)
	}

	out, _, code = latchkey("directory", "check", "d-1234567890", "--output", "json")
	if code != exitFailure || !strings.HasPrefix(out, "{\n  \"Findings\": [\n") || !strings.Contains(out, `"may not write \u001b[31mlockoutTime"`) {
		t.Errorf("%d\n%s", code, out)
	}

	out, said, code = latchkey("directory", "check", "d-1234567890")
	if out != "warning  clock  3 s ahead\n" || said != "" || code != 0 {
		t.Errorf("%d\n%s%s", code, out, said)
	}
	want(t, "call", s.calls[0], `Latchkey_20261101.CheckDirectory {"DirectoryId":"d-1234567890"}`)
}

func TestAttach(t *testing.T) {
	s := newServer(t, testToken, httptest.NewServer, told{status: 200, body: `{"DirectoryId":"d-1234567890","Findings":[{"Name":"bind","Status":"ok","Detail":"as CN=x"}]}`})
	out, said, code := latchkey("directory", "attach", "--type", "MicrosoftAD", "--name", "corp.example.com", "--url", "ldaps://dc1,x", "--url", "ldaps://dc2",
		"--bind-dn", "CN=x,DC=corp", "--bind-password-file", "/etc/p", "--ca-file", "/etc/ca", "--reset-base", "OU=a,DC=corp", "--reset-base", "OU=b,DC=corp",
		"--leave-out", "lockoutTime,pwdLastSet", "--read-back")
	want(t, "output", out+said, "ok  bind  as CN=x\ncorp.example.com is attached as d-1234567890\n")
	if code != 0 {
		t.Errorf("exit status %d", code)
	}
	want(t, "call", s.calls[0], `Latchkey_20261101.AttachDirectory {"BindDn":"CN=x,DC=corp","BindPasswordFile":"/etc/p","CaFile":"/etc/ca","Discover":false,`+
		`"LeaveOut":["lockoutTime","pwdLastSet"],"MustChange":false,"Name":"corp.example.com","PreferPdc":false,"ReadBack":true,"ResetBases":["OU=a,DC=corp","OU=b,DC=corp"],`+
		`"RespectHistory":false,"Type":"MicrosoftAD","Urls":["ldaps://dc1,x","ldaps://dc2"]}`)
}

func TestDelegation(t *testing.T) {
	s := newServer(t, "", httptest.NewServer, told{status: 200, body: `{"Commands":[` +
		`{"Dialect":"samba-tool","Purpose":"Reset","Grants":"Reset Password","Command":"samba-tool dsacl set"},` +
		`{"Dialect":"dsacls","Purpose":"Reset","Grants":"Reset Password","Command":"dsacls \"OU=x\""},` +
		`{"Dialect":"dsacls","Purpose":"Management","Grants":"create users","Command":"dsacls \"OU=y\""}]}`})
	out, said, code := latchkey("directory", "delegation", "d-1234567890", "--account", `CORP\svc`, "--ou", "OU=x,DC=corp", "--purpose", "reset")
	want(t, "output", out+said, `# dsacls
# Reset: Reset Password
dsacls "OU=x"
# Management: create users
dsacls "OU=y"

# samba-tool
# Reset: Reset Password
samba-tool dsacl set
`)
	if code != 0 {
		t.Errorf("exit status %d", code)
	}
	want(t, "call", s.calls[0], `Latchkey_20261101.DescribeDelegation {"Account":"CORP\\svc","DirectoryId":"d-1234567890","OrganizationalUnits":["OU=x,DC=corp"],"Purpose":"Reset"}`)
}

func TestList(t *testing.T) {
	pages := []told{
		{status: 200, body: `{"DirectoryDescriptions":[{"DirectoryId":"d-0000000001","Name":"corp.example.com","Type":"MicrosoftAD","Stage":"Impaired","StageReason":"dc2: down","LaunchTime":1714340834.63}],"NextToken":"more"}`},
		{status: 200, body: `{"DirectoryDescriptions":[{"DirectoryId":"d-0000000002","Name":"lab.example.com","Type":"SimpleAD","Stage":"Active"}]}`},
	}
	s := newServer(t, "", httptest.NewServer, append(pages, pages...)...)
	out, said, _ := latchkey("directory", "list")
	want(t, "output", out+said, `ID            NAME              TYPE         STAGE     REASON
d-0000000001  corp.example.com  MicrosoftAD  Impaired  dc2: down
d-0000000002  lab.example.com   SimpleAD     Active    -
`)
	out, _, _ = latchkey("directory", "list", "--output", "json")
	if strings.Count(out, `"DirectoryId"`) != 2 || !strings.Contains(out, `"LaunchTime": 1714340834.63`) || strings.Contains(out, "NextToken") {
		t.Error(out)
	}
	want(t, "second call", s.calls[1], `DirectoryService_20150416.DescribeDirectories {"NextToken":"more"}`)
}

func TestDetach(t *testing.T) {
	newServer(t, "", httptest.NewServer, told{status: 200, body: `{"DirectoryId":"d-1234567890"}`})
	out, said, code := latchkey("directory", "detach", "d-1234567890")
	if out != "d-1234567890 is detached; nothing in the domain was touched\n" || said != "" || code != 0 {
		t.Errorf("%d %s%s", code, out, said)
	}
}

func TestRollKrbtgt(t *testing.T) {
	s := newServer(t, "", httptest.NewServer, told{status: 200, body: `{"DirectoryId":"d-1234567890","KeyVersionNumber":3}`})
	out, said, code := latchkey("directory", "roll-krbtgt", "d-1234567890")
	if out != "d-1234567890 has a new key for tickets, version 3\n" || said != "" || code != 0 {
		t.Errorf("%d %s%s", code, out, said)
	}
	want(t, "call", s.calls[0], `Latchkey_20261101.RollKrbtgt {"DirectoryId":"d-1234567890"}`)
}

// TestRefusals: what is said of an answer that is none, and what to do about it.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		answer told
		said   string
	}{
		"an exception": {
			told{status: 400, body: `{"__type":"InvalidParameterException","Message":"2 checks failed.\nrights: x (fix: y)\nclock: z : RequestId: 1-2","RequestId":"1-2"}`},
			"latchkey: error: InvalidParameterException: 2 checks failed.\nrights: x (fix: y)\nclock: z\n",
		},
		"of the framework": {
			told{status: 400, body: `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
			"latchkey: error: UnknownOperationException\nhint: the server does not know this operation: it is older than this program, or not Latchkey\n",
		},
		"a wrong key": {
			told{status: 400, body: `{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`},
			"latchkey: error: UnrecognizedClientException: The security token included in the request is invalid.\nhint: the access key has to be the server's: root-credentials in its data directory has it\n",
		},
		"another server":             {told{status: 404, body: "<html>"}, "latchkey: error: the answer from URL is not Latchkey's (HTTP 404 Not Found)\nhint: --endpoint-url says where the server is, https:// if it has --tls-cert\n"},
		"another server's success":   {told{status: 200, body: "<html>"}, "latchkey: error: the answer from URL is not Latchkey's (HTTP 200 OK)\nhint: --endpoint-url says where the server is, https:// if it has --tls-cert\n"},
		"another server's direction": {told{status: 307, body: ""}, "latchkey: error: the answer from URL is not Latchkey's (HTTP 307 Temporary Redirect)\nhint: --endpoint-url says where the server is, https:// if it has --tls-cert\n"},
		"a server that steers":       {told{status: 400, body: `{"__type":"ClientException","Message":"\u001b[2J"}`}, "latchkey: error: ClientException: �[2J\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, "", httptest.NewServer, c.answer)
			out, said, code := latchkey("directory", "detach", "d-1234567890")
			want(t, "error", said, strings.ReplaceAll(c.said, "URL", s.URL))
			if out != "" || code != exitFailure || len(s.calls) != 1 {
				t.Errorf("%d %s, calls %v", code, out, s.calls)
			}
		})
	}
}

// TestTLS: the server's certificate has to be of a CA that is known, or given.
func TestTLS(t *testing.T) {
	s := newServer(t, "", httptest.NewTLSServer, told{status: 200, body: `{"DirectoryDescriptions":[]}`})
	_, said, code := latchkey("directory", "list")
	if code != exitFailure || !strings.Contains(said, "certificate") || !strings.Contains(said, "\nhint: --ca-bundle names") || len(s.calls) != 0 {
		t.Errorf("%d %s", code, said)
	}
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, said, code := latchkey("directory", "list", "--ca-bundle", bundle); code != 0 {
		t.Errorf("%d %s%s", code, out, said)
	}
	if _, said, _ := latchkey("directory", "list", "--endpoint-url", strings.Replace(s.URL, "https", "http", 1)); !strings.Contains(said, "hint: --endpoint-url says where the server is, https://") {
		t.Error(said)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	if _, said, _ := latchkey("directory", "list", "--endpoint-url", strings.Replace(plain.URL, "http", "https", 1)); !strings.Contains(said, "hint: the server speaks http:// there") {
		t.Error(said)
	}
}

func TestProfiles(t *testing.T) {
	const file = "# a comment\n[default]\naws_access_key_id = A\naws_secret_access_key=B=C\n\n[other]\n ; another\n aws_access_key_id = D\n aws_secret_access_key = E\n aws_session_token = F\nregion\n"
	for profile, want := range map[string]credentials{
		"default": {identity.Credentials{AccessKeyID: "A", SecretAccessKey: "B=C"}, ""},
		"other":   {identity.Credentials{AccessKeyID: "D", SecretAccessKey: "E"}, "F"},
	} {
		if got, err := readProfile(strings.NewReader(file), "file", profile); got != want || err != nil {
			t.Errorf("%s: %v, %v", profile, got, err)
		}
	}
	if _, err := readProfile(failing{}, "file", "default"); err == nil {
		t.Error("a file that can't be read gives credentials")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no") }
