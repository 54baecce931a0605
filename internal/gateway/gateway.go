// Package gateway turns one HTTP request into one operation call. ServeHTTP is the whole pipeline, in its one order;
// only here are signatures, permissions and audit applied, and only here are errors written.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"latchkey/internal/audit"
	"latchkey/internal/authz"
	"latchkey/internal/chaos"
	"latchkey/internal/fault"
	"latchkey/internal/identity"
	"latchkey/internal/operation"
	"latchkey/internal/sigv4"
	"latchkey/internal/sts"
	"latchkey/internal/wire"
)

const (
	// maxBody is enough for the greatest request of the model, StartSchemaExtension's.
	maxBody = 2 << 20
	// smallBody is enough for nearly all; maxLarge is how many larger ones are taken at once.
	smallBody = 64 << 10
	maxLarge  = 64
	// deadline is how long an operation may take.
	deadline = 30 * time.Second

	partition = "aws"
)

// Gateway serves the AWS JSON 1.1 protocol, and STS by the Query protocol. It is safe for concurrent use.
type Gateway struct {
	// Tables is the operations of each service that it serves.
	Tables   map[*wire.Service]operation.Table
	Verifier *sigv4.Verifier
	// STS is the one service of another protocol; nil where it is not served.
	STS      *sts.Service
	Audit    Trail
	Observer Observer // nil is none
	// Grants is what a principal other than the root has that decides about its calls.
	Grants func(identity.Principal) (authz.Grant, error)
	// Tags is those of a directory of an account.
	Tags func(account, directory string) map[string]string
	// Faults is what calls are answered with on a developer's server; nil on others.
	Faults  *chaos.Faults
	Limits  Limits
	Account string // 12 digits
	Logger  *slog.Logger
	Now     func() time.Time

	large atomic.Int64 // bodies beyond smallBody that are held
}

// exchange is one request on its way through the pipeline.
type exchange struct {
	id      string
	service *wire.Service
	name    string // of the operation
	spec    operation.Spec
	request any
	proof   sigv4.Result
	event   *audit.Event
	subject string // the SID of whom the operation found the call to be about

	directory string // the id of the one that is called upon, once it is one
	refusal   error  // what the client is answered with, if not with a result
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// 1. Request id, size limit, deadline. A write goes on when its client goes away: it is to end in a known state.
	x := &exchange{id: uuid.NewString(), service: wire.Of(r)}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deadline)
	defer cancel()
	if g.STS != nil && isQuery(r) {
		g.serveQuery(ctx, w, r)
		return
	}
	ctx, end := g.observe(ctx, r, x.outcome)
	defer end()
	body, done, err := g.readBody(w, r)
	defer done()
	defer clear(body)
	if err != nil {
		g.refuse(w, x, err)
		return
	}

	// 2. Which operation is it? AWS answers a body that is not JSON, and an unknown operation, before it looks at the
	// signature.
	if err := g.recognize(x, r, body); err != nil {
		g.refuse(w, x, err)
		return
	}
	x.event = g.newEvent(x, r)

	out, err := g.call(ctx, x, r, body)
	if code := fault.From(err).Code; err != nil && fault.Modelled(x.service.Name, code) && !framework(code) && !x.service.Declares(x.name, code) {
		g.Logger.Error("an operation throws what it does not declare", "requestId", x.id, "operation", x.name, "code", code)
	}

	// 9. What came of it. A write that can't be recorded is not acknowledged.
	if err := g.record(ctx, x, out, err); err != nil {
		g.refuse(w, x, err)
		return
	}
	if errors.Is(err, errDropped) {
		x.refusal = err
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		g.refuse(w, x, err)
		return
	}

	// 10. The answer.
	g.answer(w, r, x, out)
}

// call is the steps 3 to 8: everything whose refusal is recorded.
func (g *Gateway) call(ctx context.Context, x *exchange, r *http.Request, body []byte) (any, error) {
	// 3. Does the signature prove the key?
	var err error
	if x.proof, err = g.Verifier.Verify(ctx, r, body); err != nil {
		return nil, g.limitFailure(r, err)
	}
	x.event.UserIdentity = audit.Identify(x.proof.Principal)
	x.event.AWSRegion, x.event.RecipientAccountID = x.proof.Region, x.proof.Principal.Account
	if err := g.limitKey(x); err != nil {
		return nil, err
	}

	// 4. Is the request what the model says?
	x.request = x.spec.New()
	defer x.service.Wipe(x.name, x.request)
	if err := x.service.Decode(x.name, r.URL.Query(), body, x.request); err != nil {
		return nil, err
	}
	x.event.RequestParameters = parameters(x.service.Redact(x.name, x.request))

	// 5. May this principal do it?
	resource := authz.Any
	if id := x.spec.Directory(x.request); id != "" {
		x.directory = id
		account := x.proof.Principal.Account
		resource = authz.DirectoryARN(partition, x.proof.Region, account, id)
		x.event.Resources = []audit.Resource{{AccountID: account, Type: "AWS::DirectoryService::Directory", ARN: resource}}
	}
	asked, err := g.asked(ctx, x, r)
	if err != nil {
		return nil, err
	}
	for _, action := range actions(x) {
		asked.Action, asked.Resource = action, resource
		if err := authz.Decide(asked); err != nil {
			return nil, err
		}
	}

	// 6. Is it too often? And what a developer wants to see a client cope with.
	if err := g.limitSubject(x); err != nil {
		return nil, err
	}
	if err := g.inject(ctx, x); err != nil {
		return nil, err
	}

	// 7. What is about to be changed is on the disk before it is.
	if x.spec.Access == operation.Write {
		if err := g.Audit.Intent(ctx, x.event); err != nil {
			return nil, fault.From(err)
		}
	}

	// 8. The operation.
	return g.run(ctx, x, asked)
}

// actions is what the caller must be allowed. Directory Service Data needs a permission of Directory Service besides its own
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsdirectoryservicedata.html).
func actions(x *exchange) []string {
	all := []string{x.service.Name + ":" + x.name}
	if x.service == wire.DSData {
		all = append([]string{"ds:AccessDSData"}, all...)
		// A search shows what a description does.
		if class, ok := strings.CutPrefix(x.name, "Search"); ok {
			all = append(all, x.service.Name+":Describe"+strings.TrimSuffix(class, "s"))
		}
	}
	return all
}

// run does the operation. Should it panic, the client still gets an exception, and the audit trail an outcome.
func (g *Gateway) run(ctx context.Context, x *exchange, asked *authz.Request) (out any, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			g.Logger.Error("panic", "requestId", x.id, "operation", x.name, "reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
			out, err = nil, fault.From(errors.New("the operation panicked")).Unknown()
		}
	}()
	call := g.operationCall(x)
	call.May = func(action, directory string) bool {
		other := *asked
		other.Action, other.Resource = action, authz.DirectoryARN(partition, x.proof.Region, x.proof.Principal.Account, directory)
		return authz.Decide(&other) == nil
	}
	defer func() { x.subject = call.Subject }()
	return x.spec.Run(ctx, call, x.request)
}

func framework(code string) bool {
	_, ok := fault.Framework(code)
	return ok
}

func (g *Gateway) recognize(x *exchange, r *http.Request, body []byte) error {
	service, name, err := wire.Target(r)
	if err != nil {
		return err
	}
	x.service, x.name = service, name
	if x.spec, err = g.Tables[service].Find(name); err != nil {
		return err
	}
	return wire.Syntax(body)
}

var errBodySize = fault.New(fault.RequestTooLarge, "").Because(&limited{limit: limitBodySize, why: "the body is too large"})

// readBody is the whole body. done is called when it is not needed any more.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	done = func() {}
	if r.ContentLength > maxBody {
		return nil, done, errBodySize
	}
	in := http.MaxBytesReader(w, r.Body, maxBody)
	body, err = io.ReadAll(io.LimitReader(in, smallBody))
	if err == nil && len(body) == smallBody {
		done = func() { g.large.Add(-1) }
		if g.large.Add(1) > maxLarge {
			return body, done, fault.New(fault.ServiceUnavailable, "Too many large requests are at work.").Because(&limited{limit: LargeRequests, why: "too many large requests"})
		}
		var rest []byte
		rest, err = io.ReadAll(in)
		small := body
		body = slices.Concat(small, rest)
		clear(small)
		clear(rest)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &limited{limit: limitBodyTime, why: "the body did not come in time"}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return body, done, errBodySize
	case err != nil:
		return body, done, fault.New(fault.Serialization, "The request's body could not be read.").Because(err)
	}
	return body, done, nil
}

// answer writes a result. aws-sdk-php can't read the empty body that AWS documents for operations without output.
func (g *Gateway) answer(w http.ResponseWriter, r *http.Request, x *exchange, out any) {
	body, err := x.service.Encode(x.name, out)
	if err != nil {
		g.refuse(w, x, err)
		return
	}
	if len(body) == 0 && isPHP(r.UserAgent()) {
		body = []byte("{}")
	}
	g.write(w, x, http.StatusOK, body)
}

// refuse writes an exception. What it keeps from the client is in the log.
func (g *Gateway) refuse(w http.ResponseWriter, x *exchange, err error) {
	x.refusal = err
	f := x.service.Fault(err)
	status, body := x.service.Error(f, x.id)
	if x.service.REST() {
		w.Header()[wire.ErrorTypeHeader] = []string{f.Code}
	}
	level := slog.LevelInfo
	if quiet(err) {
		level = slog.LevelDebug
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	g.Logger.Log(context.Background(), level, "refused", "requestId", x.id, "operation", x.name, "code", f.Code, "message", f.Message, "cause", cause(f))
	g.write(w, x, status, body)
}

func (g *Gateway) write(w http.ResponseWriter, x *exchange, status int, body []byte) {
	header := w.Header()
	header["X-Amzn-Requestid"] = []string{x.id}
	header["Content-Type"] = []string{x.service.ContentType()}
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		g.Logger.Debug("the client did not take the answer", "requestId", x.id, "err", err)
	}
}
