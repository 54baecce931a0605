package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/admin"
	"latchkey/internal/audit"
	"latchkey/internal/authz"
	"latchkey/internal/ds"
	"latchkey/internal/dsdata"
	"latchkey/internal/fault"
	"latchkey/internal/identity"
	"latchkey/internal/operation"
	"latchkey/internal/sigv4"
	"latchkey/internal/wire"
)

// What only a test inside the process can bring about is tested here; all else is in test/e2e, by real clients.

const (
	password = "Pq7-of-a-test-Lantern"
	body     = `{"DirectoryId":"d-1234567890","UserName":"jane","NewPassword":"` + password + `"}`
)

type fixture struct {
	gateway *Gateway
	trail   *audit.Log
	dir     string
	log     *bytes.Buffer
}

type run func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error)

func trailOptions(logger *slog.Logger) audit.Options {
	return audit.Options{Signer: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Logger: logger, Now: time.Now}
}

// newFixture is a gateway for one write and one read, which takes any key.
func newFixture(t *testing.T, write run) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir(), log: &bytes.Buffer{}}
	logger := slog.New(slog.NewTextHandler(f.log, nil))
	var err error
	if f.trail, err = audit.Open(f.dir, trailOptions(logger)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.trail.Close() })
	table, err := operation.NewTable(
		operation.New("ResetUserPassword", operation.Write, func(in *ds.ResetUserPasswordRequest) string { return *in.DirectoryId }, write),
		operation.New("DescribeDirectories", operation.Read, nil, func(context.Context, *operation.Call, *ds.DescribeDirectoriesRequest) (*ds.DescribeDirectoriesResult, error) {
			return &ds.DescribeDirectoriesResult{}, nil
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	f.gateway = &Gateway{
		Tables: map[*wire.Service]operation.Table{wire.DS: table}, Audit: f.trail, Account: "123456789012", Logger: logger, Now: time.Now,
		Grants: func(identity.Principal) (authz.Grant, error) { return authz.Grant{}, nil },
		Verifier: sigv4.New(sigv4.Options{
			Service: func(*http.Request) string { return "ds" }, Now: time.Now,
			Lookup: identity.NewAnyKeys("aws", "123456789012", nil).Lookup,
		}),
	}
	return f
}

func request(name string, text io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", text)
	stamp := time.Now().UTC().Format("20060102T150405Z")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "DirectoryService_20150416."+name)
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"+stamp[:8]+"/us-east-1/ds/aws4_request, "+
		"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="+strings.Repeat("0", 64))
	return r
}

func (f *fixture) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.gateway.ServeHTTP(w, r)
	return w
}

func (f *fixture) reset() *httptest.ResponseRecorder {
	return f.serve(request("ResetUserPassword", strings.NewReader(body)))
}

// outcomes are the lines of the audit trail.
func (f *fixture) outcomes(t *testing.T) (events []audit.Event) {
	t.Helper()
	if err := f.trail.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.dir, audit.LogFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var event audit.Event
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

func wantServiceException(t *testing.T, w *httptest.ResponseRecorder, message string) {
	t.Helper()
	var answer struct {
		Type    string `json:"__type"`
		Message string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusInternalServerError || answer.Type != fault.Service || !strings.HasPrefix(answer.Message, message+" : RequestId: ") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

const hiddenFailure = "An exception has occurred in AWS Directory Service."

// TestNoIntent: a write that can't be announced in the audit trail is not begun.
func TestNoIntent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
		t.Error("the operation ran")
		return nil, nil
	})
	if err := f.trail.Close(); err != nil {
		t.Fatal(err)
	}
	wantServiceException(t, f.reset(), hiddenFailure)
	if !strings.Contains(f.log.String(), audit.ErrClosed.Error()) {
		t.Errorf("the log does not say why: %s", f.log)
	}
}

// TestNoOutcome: a write that was made and can't be recorded is not acknowledged, and a read neither.
func TestNoOutcome(t *testing.T) {
	t.Parallel()
	var f *fixture
	f = newFixture(t, func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
		return &ds.ResetUserPasswordResult{}, f.trail.Close()
	})
	wantServiceException(t, f.reset(), hiddenFailure)
	wantServiceException(t, f.serve(request("DescribeDirectories", nil)), hiddenFailure)
	// The intent is in the trail: when it is opened again, it says that nobody knows.
	var err error
	if f.trail, err = audit.Open(f.dir, trailOptions(f.gateway.Logger)); err != nil {
		t.Fatal(err)
	}
	events := f.outcomes(t)
	if len(events) != 1 || events[0].ErrorCode != audit.OutcomeUnknown || events[0].EventName != "ResetUserPassword" {
		t.Errorf("got %+v", events)
	}
}

// TestFailures: what the client, the audit trail and the log say of a failure of ours.
func TestFailures(t *testing.T) {
	t.Parallel()
	unknown := fault.New(fault.Service, "Nobody knows.").Because(errors.New("the store went away")).Unknown()
	for _, c := range []struct {
		name          string
		run           run
		message, code string
		logged        string
	}{
		{"a panic", func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
			panic("out of order")
		}, hiddenFailure, audit.OutcomeUnknown, "out of order"},
		{"an error that is no exception", func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
			return nil, errors.New("secret inner workings")
		}, hiddenFailure, fault.Service, "secret inner workings"},
		{"an unknown outcome", func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
			return nil, unknown
		}, "Nobody knows.", audit.OutcomeUnknown, "the store went away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c.run)
			w := f.reset()
			wantServiceException(t, w, c.message)
			events := f.outcomes(t)
			if len(events) != 1 || events[0].ErrorCode != c.code || events[0].RequestID != w.Header().Get("X-Amzn-Requestid") {
				t.Errorf("the trail has %+v", events)
			}
			if strings.Contains(w.Body.String(), c.logged) {
				t.Errorf("the client is told %s", w.Body)
			}
			if !strings.Contains(f.log.String(), c.logged) {
				t.Errorf("the log has only %s", f.log)
			}
		})
	}
}

// TestClientGone: a write whose client went away is finished, within the deadline.
func TestClientGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(ctx context.Context, _ *operation.Call, _ *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
		if ctx.Err() != nil {
			t.Errorf("the operation's context has ended: %v", ctx.Err())
		}
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > deadline {
			t.Errorf("the deadline is %v, %v", at, ok)
		}
		return &ds.ResetUserPasswordResult{}, nil
	})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if w := f.serve(request("ResetUserPassword", strings.NewReader(body)).WithContext(gone)); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if events := f.outcomes(t); len(events) != 1 || events[0].ErrorCode != "" {
		t.Errorf("the trail has %+v", events)
	}
}

// TestWiped: when the answer is out, no password is left in the request's memory.
func TestWiped(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"accepted": nil, "refused": fault.New(fault.InvalidPassword, "Weak.")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var kept []byte
			f := newFixture(t, func(_ context.Context, _ *operation.Call, in *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
				kept = in.NewPassword.Bytes()
				if string(kept) != password {
					t.Errorf("the password is %q", kept)
				}
				return &ds.ResetUserPasswordResult{}, failure
			})
			f.reset()
			if len(kept) != len(password) || len(bytes.Trim(kept, "\x00")) != 0 {
				t.Errorf("the password is still there: %q", kept)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBrokenBody: half a body is nobody's request.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
		t.Error("the operation ran")
		return nil, nil
	})
	w := f.serve(request("ResetUserPassword", io.MultiReader(strings.NewReader(body), brokenReader{})))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), fault.Serialization) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestDenied: who may not is told so, as AWS says it, and CloudTrail's form of it is recorded, without parameters.
func TestDenied(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(context.Context, *operation.Call, *ds.ResetUserPasswordRequest) (*ds.ResetUserPasswordResult, error) {
		t.Error("the operation ran")
		return nil, nil
	})
	user := identity.Principal{Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/jane", Account: "123456789012"}
	f.gateway.Verifier = sigv4.New(sigv4.Options{
		Service: func(*http.Request) string { return "ds" }, Now: time.Now,
		Lookup: func(context.Context, string, string) (string, identity.Principal, error) {
			return "", user, identity.ErrAny
		},
	})
	w := f.reset()
	want := `{"__type":"AccessDeniedException","Message":"User: arn:aws:iam::123456789012:user/jane is not authorized to perform: ds:ResetUserPassword ` +
		`on resource: arn:aws:ds:us-east-1:123456789012:directory/d-1234567890 because no identity-based policy allows the ds:ResetUserPassword action"}`
	if w.Code != http.StatusBadRequest || w.Body.String() != want {
		t.Errorf("got %d\n%s\nwant\n%s", w.Code, w.Body, want)
	}
	events := f.outcomes(t)
	if len(events) != 1 || events[0].ErrorCode != "AccessDenied" || string(events[0].RequestParameters) != "null" {
		t.Errorf("the trail has %+v", events)
	}
}

// TestSecondService: a call of Latchkey's own API goes through the same steps, under its own name.
func TestSecondService(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ran := 0
	table, err := operation.NewTable(operation.New("DetachDirectory", operation.Write, func(in *admin.DetachDirectoryRequest) string { return *in.DirectoryId },
		func(_ context.Context, _ *operation.Call, in *admin.DetachDirectoryRequest) (*admin.DetachDirectoryResult, error) {
			ran++
			return &admin.DetachDirectoryResult{DirectoryId: in.DirectoryId}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	f.gateway.Tables[wire.Latchkey] = table
	detach := func(name, id string) *httptest.ResponseRecorder {
		r := request(name, strings.NewReader(`{"DirectoryId":"`+id+`"}`))
		r.Header.Set("X-Amz-Target", wire.Latchkey.Target(name))
		return f.serve(r)
	}
	if w := detach("DetachDirectory", "d-1234567890"); w.Code != http.StatusOK || w.Body.String() != `{"DirectoryId":"d-1234567890"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if w := detach("DetachDirectory", "corp"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), fault.Validation) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	// A name of the other service, and one that is not in the table.
	for _, name := range []string{"ResetUserPassword", "CheckDirectory"} {
		if w := detach(name, "d-1234567890"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), fault.UnknownOperation) {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
	// Somebody without a policy.
	f.gateway.Verifier = sigv4.New(sigv4.Options{
		Service: func(*http.Request) string { return "ds" }, Now: time.Now,
		Lookup: func(context.Context, string, string) (string, identity.Principal, error) {
			return "", identity.Principal{Type: "IAMUser", Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/jane"}, identity.ErrAny
		},
	})
	w := detach("DetachDirectory", "d-1234567890")
	const action = "is not authorized to perform: latchkey:DetachDirectory on resource: arn:aws:ds:us-east-1:123456789012:directory/d-1234567890"
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), fault.AccessDenied) || !strings.Contains(w.Body.String(), action) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if ran != 1 {
		t.Errorf("the operation ran %d times", ran)
	}
	events := f.outcomes(t)
	if len(events) != 3 {
		t.Fatalf("the trail has %+v", events)
	}
	for i, code := range []string{"", fault.Validation, "AccessDenied"} {
		if e := events[i]; e.EventSource != "latchkey" || e.EventName != "DetachDirectory" || e.ErrorCode != code || e.ReadOnly {
			t.Errorf("the trail has %+v, want %q", e, code)
		}
	}
}

// TestDataService: a call of Directory Service Data has its own exceptions, and needs two permissions; a search a third. Whom it
// was about is in the trail.
func TestDataService(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	table, err := operation.NewTable(
		operation.New("DeleteUser", operation.Write, func(in *dsdata.DeleteUserRequest) string { return *in.DirectoryId },
			func(_ context.Context, call *operation.Call, _ *dsdata.DeleteUserRequest) (*dsdata.DeleteUserResult, error) {
				call.Subject = "S-1-5-21-1-2-3-1105"
				return nil, fault.New(fault.Conflict, "It rains.").Because(errors.New("clouds"))
			}),
		operation.New("SearchUsers", operation.Read, func(in *dsdata.SearchUsersRequest) string { return *in.DirectoryId },
			func(context.Context, *operation.Call, *dsdata.SearchUsersRequest) (*dsdata.SearchUsersResult, error) {
				return &dsdata.SearchUsersResult{}, nil
			}))
	if err != nil {
		t.Fatal(err)
	}
	f.gateway.Tables[wire.DSData] = table
	principal := identity.Root("aws", "123456789012", "AKIAIOSFODNN7EXAMPLE")
	f.gateway.Verifier = sigv4.New(sigv4.Options{
		Service: func(*http.Request) string { return "ds" }, Now: time.Now,
		Lookup: func(context.Context, string, string) (string, identity.Principal, error) {
			return "", principal, identity.ErrAny
		},
	})
	call := func(path, text string) *httptest.ResponseRecorder {
		r := request("", strings.NewReader(text))
		r.URL.Path, r.URL.RawQuery = path, "DirectoryId=d-1234567890"
		r.Header.Set("Content-Type", "application/json")
		return f.serve(r)
	}
	if w := call("/Users/DeleteUser", `{"SAMAccountName":"jane"}`); w.Code != http.StatusConflict || w.Body.String() != `{"Message":"It rains."}` || w.Header().Get("X-Amzn-Errortype") != fault.Conflict {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	search := func() *httptest.ResponseRecorder {
		return call("/Users/SearchUsers", `{"SearchString":"x","SearchAttributes":["sn"]}`)
	}
	if w := search(); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	principal = identity.Principal{Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/jane", Account: "123456789012"}
	want := `{"Message":"User: arn:aws:iam::123456789012:user/jane is not authorized to perform: ds:AccessDSData ` +
		`on resource: arn:aws:ds:us-east-1:123456789012:directory/d-1234567890 because no identity-based policy allows the ds:AccessDSData action","Reason":"IAM_AUTH"}`
	if w := search(); w.Code != http.StatusForbidden || w.Body.String() != want {
		t.Errorf("got %d\n%s\nwant\n%s", w.Code, w.Body, want)
	}
	x := &exchange{service: wire.DSData, name: "SearchUsers"}
	if got := strings.Join(actions(x), " "); got != "ds:AccessDSData ds-data:SearchUsers ds-data:DescribeUser" {
		t.Errorf("a search needs %s", got)
	}
	for _, e := range f.outcomes(t) {
		if e.EventName == "DeleteUser" && (e.EventSource != audit.Source || string(e.AdditionalEventData) != `{"SID":"S-1-5-21-1-2-3-1105","reason":"clouds"}`) {
			t.Errorf("the trail has %s, %s", e.EventSource, e.AdditionalEventData)
		}
	}
}
