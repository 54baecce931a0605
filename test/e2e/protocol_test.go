package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	contentType  = "application/x-amz-json-1.1"
	targetPrefix = "DirectoryService_20150416."
)

// raw is a request that no SDK would send. Its zero value is a good DescribeDirectories.
type raw struct {
	method    string
	path      string
	operation string            // behind the prefix of X-Amz-Target
	header    map[string]string // instead of the usual ones; "" removes one
	body      string
	unsigned  bool
	presigned bool
	key       string
	secret    string
	service   string
	region    string
	ahead     time.Duration // of the client's clock
	payload   string        // instead of the body's hash
	after     func(*http.Request)
}

// reply is what came back, to the byte.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r raw) send(t *testing.T, s *server) reply {
	t.Helper()
	request := r.request(t, s)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (r raw) request(t *testing.T, s *server) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), or(r.method, http.MethodPost), s.API+or(r.path, "/"), strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Amz-Target", targetPrefix+or(r.operation, "DescribeDirectories"))
	for name, value := range r.header {
		request.Header.Set(name, value)
		if value == "" {
			request.Header.Del(name)
		}
	}
	if !r.unsigned {
		r.sign(t, s, request)
	}
	if r.after != nil {
		r.after(request)
	}
	return request
}

func (r raw) sign(t *testing.T, s *server, request *http.Request) {
	t.Helper()
	sum := sha256.Sum256([]byte(r.body))
	payload := or(r.payload, hex.EncodeToString(sum[:]))
	if r.payload != "" {
		request.Header.Set("X-Amz-Content-Sha256", r.payload)
	}
	key, secret := s.root()
	pair := aws.Credentials{AccessKeyID: or(r.key, key), SecretAccessKey: or(r.secret, secret)}
	at := time.Now().Add(r.ahead)
	if !r.presigned {
		if err := v4.NewSigner().SignHTTP(t.Context(), pair, request, payload, or(r.service, "ds"), or(r.region, home), at); err != nil {
			t.Fatal(err)
		}
		return
	}
	// X-Amz-Target stays a header: moved to the query it would say nothing.
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableHeaderHoisting = true })
	signed, header, err := signer.PresignHTTP(t.Context(), pair, request, payload, or(r.service, "ds"), or(r.region, home), at)
	if err != nil {
		t.Fatal(err)
	}
	if request.URL, err = url.Parse(signed); err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, header)
}

// id is the request's id, which every answer has.
func (r reply) id(t *testing.T) string {
	t.Helper()
	id := r.header.Get("x-amzn-RequestId")
	if !requestIDTail.MatchString(" : RequestId: " + id) {
		t.Errorf("x-amzn-RequestId is %q", id)
	}
	return id
}

func resetBody(t *testing.T, directory, user, password string) string {
	t.Helper()
	return string(encode(t, reset(directory, user, password)))
}

// TestProtocol: the answers of the framework, to the byte. %s in a body is the request's id.
func TestProtocol(t *testing.T) {
	t.Parallel()
	s := world(t)
	const (
		unknown   = `{"__type":"com.amazon.coral.service#UnknownOperationException"}`
		malformed = `{"__type":"com.amazon.coral.service#SerializationException"}`
		mismatch  = `{"__type":"InvalidSignatureException","message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}`
		noToken   = `{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}`
		badKey    = `{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`
	)
	wrongType := func(text string) string {
		return `{"__type":"com.amazon.coral.service#SerializationException","Message":"` + text + `"}`
	}
	invalid := func(text string) string { return `{"__type":"ValidationException","message":"` + text + `"}` }
	good := resetBody(t, corpID, "jane", nextPassword)
	many := strings.Repeat("a", 128)
	for _, c := range []struct {
		name   string
		raw    raw
		status int
		body   string // the whole one, or with … at its end how it begins
	}{
		{"a reset", raw{operation: "ResetUserPassword", body: good}, 200, ""},
		{"a reset by PHP", raw{operation: "ResetUserPassword", body: good, header: map[string]string{"User-Agent": "aws-sdk-php/3.300.0 ua/2.0"}}, 200, "{}"},
		{"a reset by somebody whose name only has php in it", raw{operation: "ResetUserPassword", body: good, header: map[string]string{"User-Agent": "php-curl/1"}}, 200, ""},
		{"a list", raw{region: "eu-north-1", body: "{}"}, 200, `{"DirectoryDescriptions":[]}`},
		{"an empty body is {}", raw{region: "eu-north-1"}, 200, `{"DirectoryDescriptions":[]}`},
		{"unknown members are ignored", raw{region: "eu-north-1", body: `{"Colour":{"a":[1,null]}}`}, 200, `{"DirectoryDescriptions":[]}`},
		{"presigned", raw{region: "eu-north-1", presigned: true, path: "/?X-Amz-Expires=60", body: "{}"}, 200, `{"DirectoryDescriptions":[]}`},
		{"presigned, a reset", raw{presigned: true, operation: "ResetUserPassword", body: good}, 200, ""},

		// What comes before the signature.
		{"unknown operation", raw{operation: "MakeCoffee"}, 400, unknown},
		{"unknown operation, unsigned", raw{operation: "MakeCoffee", unsigned: true}, 400, unknown},
		{"the target of another service", raw{header: map[string]string{"X-Amz-Target": "DynamoDB_20120810.ListTables"}}, 400, unknown},
		{"the target in another case", raw{operation: "resetUserPassword"}, 400, unknown},
		{"no target", raw{header: map[string]string{"X-Amz-Target": ""}}, 400, unknown},
		{"no target, unsigned", raw{header: map[string]string{"X-Amz-Target": ""}, unsigned: true}, 400, unknown},
		{"GET", raw{method: http.MethodGet}, 400, unknown},
		{"PUT", raw{method: http.MethodPut}, 400, unknown},
		{"another content type", raw{header: map[string]string{"Content-Type": "application/json"}}, 400, unknown},
		{"no content type", raw{header: map[string]string{"Content-Type": ""}}, 400, unknown},
		{"not JSON", raw{body: `{"Limit":`}, 400, malformed},
		{"not JSON, unsigned", raw{body: `{"Limit":`, unsigned: true}, 400, malformed},
		{"not UTF-8", raw{body: "{\"NextToken\":\"\xff\"}"}, 400, malformed},
		{"a member twice", raw{body: `{"Limit":1,"Limit":2}`}, 400, malformed},
		{"half a surrogate pair", raw{body: `{"NextToken":"\ud800"}`}, 400, malformed},
		{"two values", raw{body: `{} {}`}, 400, malformed},
		{"unknown operation before JSON", raw{operation: "MakeCoffee", body: "{"}, 400, unknown},
		{"too large", raw{body: strings.Repeat(" ", 2<<20+1)}, 413, ""},
		{"too large, unsigned", raw{body: strings.Repeat(" ", 2<<20+1), unsigned: true}, 413, ""},
		{"too large, and nobody said so", raw{body: strings.Repeat(" ", 2<<20+1), after: func(r *http.Request) { r.ContentLength = -1 }}, 413, ""},
		{"as large as allowed", raw{region: "eu-north-1", body: "{}" + strings.Repeat(" ", 2<<20-2)}, 200, `{"DirectoryDescriptions":[]}`},

		// The signature.
		{"no signature", raw{unsigned: true}, 400, noToken},
		{"another scheme", raw{unsigned: true, header: map[string]string{"Authorization": "Basic YTpi"}}, 400, noToken},
		{
			"half a signature",
			raw{unsigned: true, header: map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e", "X-Amz-Date": "20260101T000000Z"}},
			400,
			`{"__type":"IncompleteSignatureException","message":"Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 Credential=a/b/c/d/e"}`,
		},
		{"unknown key", raw{key: "AKIAAAAAAAAAAAAAAAAA"}, 400, badKey},
		{"wrong secret", raw{secret: "not-the-right-secret"}, 400, mismatch},
		{"a changed body", raw{body: "{}", after: func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(`{"Limit":1}`)), 11
		}}, 400, mismatch},
		{"a changed target", raw{after: func(r *http.Request) { r.Header.Set("X-Amz-Target", targetPrefix+"DeleteDirectory") }}, 400, mismatch},
		{"a changed query", raw{after: func(r *http.Request) { r.URL.RawQuery = "a=b" }}, 400, mismatch},
		{"a slow clock", raw{ahead: -6 * time.Minute}, 400, `{"__type":"InvalidSignatureException","message":"Signature expired: …`},
		{"a fast clock", raw{ahead: 6 * time.Minute}, 400, `{"__type":"InvalidSignatureException","message":"Signature not yet current: …`},
		{"a clock that is right enough", raw{region: "eu-north-1", ahead: -4 * time.Minute}, 200, `{"DirectoryDescriptions":[]}`},
		{"presigned, expired", raw{presigned: true, path: "/?X-Amz-Expires=60", ahead: -2 * time.Minute}, 400, `{"__type":"InvalidSignatureException","message":"Signature expired: …`},
		{"another service", raw{service: "dynamodb"}, 400, `{"__type":"InvalidSignatureException","message":"Credential should be scoped to correct service: 'ds'."}`},
		{"no region", raw{region: "mars"}, 400, `{"__type":"InvalidSignatureException","message":"Credential should be scoped to a valid region, not 'mars'."}`},
		{"unsigned payload", raw{payload: "UNSIGNED-PAYLOAD"}, 400, `{"__type":"InvalidSignatureException","message":"…`},
		{"signature before types", raw{secret: "not-the-right-secret", operation: "ResetUserPassword", body: `{"UserName":1}`}, 400, mismatch},
		{"signature before validation", raw{secret: "not-the-right-secret", operation: "ResetUserPassword", body: `{}`}, 400, mismatch},
		{"key before signature", raw{key: "AKIAAAAAAAAAAAAAAAAA", secret: "not-the-right-secret", operation: "ResetUserPassword", body: `{}`}, 400, badKey},

		// Types and constraints.
		{"a number for a text", raw{operation: "ResetUserPassword", body: `{"DirectoryId":1}`}, 400, wrongType("NUMBER_VALUE can not be converted to String")},
		{"a list for a text", raw{operation: "ResetUserPassword", body: `{"NewPassword":["` + nextPassword + `"]}`}, 400, wrongType("Start of list found where not expected")},
		{"a structure for a text", raw{operation: "ResetUserPassword", body: `{"NewPassword":{"a":"` + nextPassword + `"}}`}, 400, wrongType("Start of structure or map found where not expected")},
		{"a text for a number", raw{body: `{"Limit":"1"}`}, 400, wrongType("STRING_VALUE can not be converted to Integer")},
		{"true for a text", raw{operation: "ResetUserPassword", body: `{"UserName":true}`}, 400, wrongType("TRUE_VALUE can not be converted to String")},
		{"a list for the whole", raw{body: `[]`}, 400, wrongType("Start of list found where not expected")},
		{"types before validation", raw{operation: "ResetUserPassword", body: `{"DirectoryId":"zz","UserName":1}`}, 400, wrongType("NUMBER_VALUE can not be converted to String")},
		{"nothing given", raw{operation: "ResetUserPassword", body: `{}`}, 400, invalid("3 validation errors detected: Value null at 'directoryId' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'newPassword' failed to satisfy constraint: Member must not be null; Value null at 'userName' failed to satisfy constraint: Member must not be null")},
		{
			"null is nothing",
			raw{operation: "ResetUserPassword", body: `{"DirectoryId":"` + corpID + `","UserName":"jane","NewPassword":null}`},
			400,
			invalid("1 validation error detected: Value null at 'newPassword' failed to satisfy constraint: Member must not be null"),
		},
		{
			"all wrong at once",
			raw{operation: "ResetUserPassword", body: `{"DirectoryId":"zz","UserName":"a@b","NewPassword":"` + marker + many + `"}`},
			400,
			invalid("3 validation errors detected: Value 'zz' at 'directoryId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^d-[0-9a-f]{10}$; " +
				"Value at 'newPassword' failed to satisfy constraint: Member must have length less than or equal to 127; " +
				`Value 'a@b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(?!.*\\\\|.*\"|.*\\/|.*\\[|.*\\]|.*:|.*;|.*\\||.*=|.*,|.*\\+|.*\\*|.*\\?|.*<|.*>|.*@).*$`),
		},
		{
			"an empty password",
			raw{operation: "ResetUserPassword", body: resetBody(t, corpID, "jane", "")},
			400,
			invalid("1 validation error detected: Value at 'newPassword' failed to satisfy constraint: Member must have length greater than or equal to 1"),
		},
		{
			"a long name",
			raw{operation: "ResetUserPassword", body: resetBody(t, corpID, many[:65], nextPassword)},
			400,
			invalid("1 validation error detected: Value '" + many[:65] + "' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"),
		},
		{"validation before existence", raw{operation: "ResetUserPassword", body: resetBody(t, noID, "a@b", nextPassword)}, 400, `{"__type":"ValidationException","message":"1 validation error detected: Value 'a@b' at…`},
		{
			"existence before the user",
			raw{operation: "ResetUserPassword", body: resetBody(t, noID, "nobody", "short")},
			400,
			`{"__type":"EntityDoesNotExistException","Message":"Directory ` + noID + ` does not exist. : RequestId: %s","RequestId":"%s"}`,
		},
		{
			"stage before the user",
			raw{operation: "ResetUserPassword", body: resetBody(t, deadID, "nobody", "short")},
			400,
			`{"__type":"DirectoryUnavailableException","Message":"The specified directory is unavailable. Its stage is Inoperable. : RequestId: %s","RequestId":"%s"}`,
		},
		{
			"the user before the password",
			raw{operation: "ResetUserPassword", body: resetBody(t, corpID, "nobody", "short")},
			400,
			`{"__type":"UserDoesNotExistException","Message":"The user provided a username that does not exist in your directory. : RequestId: %s","RequestId":"%s"}`,
		},
		{"protection before the password", raw{operation: "ResetUserPassword", body: resetBody(t, labID, "direct", "short")}, 400, `{"__type":"UnsupportedOperationException","Message":"…`},
		{
			"a failure of ours",
			raw{operation: "ResetUserPassword", body: resetBody(t, brokenID, "sealed", nextPassword)},
			500,
			`{"__type":"ServiceException","Message":"An exception has occurred in AWS Directory Service. : RequestId: %s","RequestId":"%s"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := time.Now().Truncate(time.Second)
			got := c.raw.send(t, s)
			if got.status != c.status {
				t.Errorf("status %d, want %d", got.status, c.status)
			}
			want := strings.ReplaceAll(c.body, "%s", got.id(t))
			if begin, cut := strings.CutSuffix(want, "…"); cut {
				if !strings.HasPrefix(got.body, begin) || !json.Valid([]byte(got.body)) {
					t.Errorf("body\n%s\nwant it to begin with\n%s", got.body, begin)
				}
			} else if got.body != want {
				t.Errorf("body\n%s\nwant\n%s", got.body, want)
			}
			if kind := got.header.Get("Content-Type"); kind != contentType {
				t.Errorf("Content-Type is %q", kind)
			}
			if length := got.header.Get("Content-Length"); length != fmt.Sprint(len(got.body)) {
				t.Errorf("Content-Length is %q, the body has %d bytes", length, len(got.body))
			}
			// SDKs set their clock by it.
			if date, err := http.ParseTime(got.header.Get("Date")); err != nil || date.Before(before) || date.After(time.Now()) {
				t.Errorf("Date is %q", got.header.Get("Date"))
			}
			for form, pattern := range encodings(marker) {
				if strings.Contains(got.body, string(pattern)) {
					t.Errorf("the answer has the password in %s", form)
				}
			}
		})
	}
	s.stop()
	noSecrets(t, s)
}

// TestFrameworkByClients: what clients can provoke of the framework's exceptions reaches them under its name.
func TestFrameworkByClients(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	for _, each := range []struct {
		name string
		make func(*testing.T, *server) caller
	}{{"gosdk", goClient}, {"cli", commandLine}, {"boto3", boto3}, {"js", javaScript}, {"curl", curl}} {
		t.Run(each.name, func(t *testing.T) {
			call := each.make(t, s)
			a := call(t, home, "ResetUserPassword", reset("zz", "a@b", marker+strings.Repeat("p", 140)))
			if a.Exception != "ValidationException" || !strings.HasPrefix(a.Message, "3 validation errors detected: Value 'zz' at 'directoryId'") ||
				!strings.Contains(a.Message, "Value at 'newPassword' failed to satisfy constraint: Member must have length less than or equal to 127") {
				t.Errorf("got %s", a)
			}
			if strings.Contains(a.Message, marker) {
				t.Errorf("the password is in %q", a.Message)
			}
			call(t, home, "CreateDirectory", simple("good-name")).refused(t, "InvalidParameterException", "Invalid directory name.")
			call(t, home, "DescribeDirectories", map[string]any{"NextToken": "nonsense"}).refused(t, "InvalidNextTokenException", "NextToken")
		})
	}
	for _, c := range []struct {
		name      string
		change    func(*server) (key, secret string)
		exception string
	}{
		{"unknown key", func(s *server) (string, string) { _, secret := s.root(); return "AKIAAAAAAAAAAAAAAAAA", secret }, "UnrecognizedClientException"},
		{"wrong secret", func(s *server) (string, string) { key, _ := s.root(); return key, "not-the-right-secret" }, "InvalidSignatureException"},
	} {
		other := *s
		other.data = t.TempDir()
		key, secret := c.change(s)
		writeCredentials(t, other.credentialsFile(), key, secret)
		for name, make := range map[string]func(*testing.T, *server) caller{"gosdk": goClient, "cli": commandLine, "boto3": boto3, "js": javaScript} {
			t.Run(c.name+" by "+name, func(t *testing.T) {
				if a := make(t, &other)(t, home, "DescribeDirectories", map[string]any{}); a.Exception != c.exception {
					t.Errorf("got %s, want %s", a, c.exception)
				}
			})
		}
	}
}

// TestPieces: a body that comes in pieces is taken.
func TestPieces(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	r := raw{body: "{}", after: func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), bytes.NewBufferString("}"))), -1
	}}
	if got := r.send(t, s); got.status != http.StatusOK || got.body != `{"DirectoryDescriptions":[]}` {
		t.Errorf("%d %s", got.status, got.body)
	}
}
