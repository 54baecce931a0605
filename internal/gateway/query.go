package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"latchkey/internal/audit"
	"latchkey/internal/authz"
	"latchkey/internal/fault"
	"latchkey/internal/sts"
	"latchkey/internal/wire"
)

// The AWS Query protocol, which STS speaks: a form is sent, and XML comes back
// (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html).

const (
	stsSource = "sts.amazonaws.com"
	stsSpace  = "https://sts.amazonaws.com/doc/" + sts.Version + "/"
	// maxForm is enough for the longest session policy, percent-encoded, and the longest token.
	maxForm = 64 << 10
	// globalRegion is where AWS's global endpoint is, and so calls that are not signed for any region.
	globalRegion = "us-east-1"
)

// Signing is the service that the signature of a request has to name.
func Signing(r *http.Request) string {
	if isQuery(r) {
		return "sts"
	}
	return wire.Of(r).Signing
}

// isQuery says whether a request is STS's. Those of the JSON services have a target, or a path.
func isQuery(r *http.Request) bool {
	if r.Method != http.MethodPost || r.Header.Get("X-Amz-Target") != "" || r.URL.Path != "/" && r.URL.Path != "" {
		return false
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// serveQuery answers a request of STS. None changes anything that is kept, so that the audit trail needs only the outcome.
func (g *Gateway) serveQuery(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	id, action := uuid.NewString(), ""
	var refusal error
	ctx, end := g.observe(ctx, r, func() Outcome { return queryOutcome(id, action, refusal) })
	defer end()
	refuse := func(err error) {
		refusal = err
		g.refuseQuery(w, id, action, err)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	body, done, err := g.readBody(w, r)
	defer done()
	defer clear(body)
	if err != nil {
		refuse(err)
		return
	}
	form, err := readForm(body)
	if err != nil {
		refuse(err)
		return
	}
	action = form.Get("Action")
	x := &exchange{id: id, service: wire.DS, name: action}
	x.event = g.newEvent(x, r)
	x.event.EventSource, x.event.ReadOnly = stsSource, true
	out, err := g.callQuery(ctx, x, r, body, form)
	if err := g.recordQuery(ctx, x, err); err != nil {
		refuse(err)
		return
	}
	if errors.Is(err, errDropped) {
		refusal = err
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		refuse(err)
		return
	}
	g.answerQuery(w, id, action, out)
}

// recordQuery writes the outcome of a call.
func (g *Gateway) recordQuery(ctx context.Context, x *exchange, err error) error {
	if quiet(err) {
		return nil
	}
	if err != nil {
		f := queryFault(err)
		x.event.Fail(f.Code, f.Message)
		if f.Code == sts.AccessDenied {
			x.event.RequestParameters = nil
		}
		if why := cause(f); why != "" {
			x.event.AdditionalEventData = parameters(map[string]any{"reason": why})
		}
	}
	return g.Audit.Outcome(context.WithoutCancel(ctx), x.event)
}

func (g *Gateway) callQuery(ctx context.Context, x *exchange, r *http.Request, body []byte, form url.Values) (*sts.Result, error) {
	call := &sts.Call{
		Action: x.name, Form: form, Time: x.event.EventTime,
		Asked: authz.Request{Time: x.event.EventTime, Values: func(key string) ([]string, error) {
			// It is about no directory, and has no tags.
			switch key {
			case "aws:requestedregion", "aws:securetransport", "aws:sourceip", "aws:useragent":
				return g.requestValue(x, r, nil, key), nil
			}
			return nil, nil
		}},
	}
	if err := g.identifyQuery(ctx, x, r, body, call); err != nil {
		return nil, err
	}
	x.event.UserIdentity = audit.Identify(call.Principal)
	x.event.AWSRegion, x.event.RecipientAccountID = x.proof.Region, call.Principal.Account
	x.event.RequestParameters = shown(form) // nobody who is not known fills the trail
	if err := g.limitKey(x); err != nil {
		return nil, err
	}
	if err := g.injectInto(ctx, x.name, "", ""); err != nil {
		return nil, err
	}
	out, err := g.STS.Do(call)
	if err == nil && out.Credentials != nil {
		x.event.ResponseElements = made(out)
	}
	return out, err
}

// identifyQuery finds out who calls: by the signature, or by an identity provider's token.
func (g *Gateway) identifyQuery(ctx context.Context, x *exchange, r *http.Request, body []byte, call *sts.Call) (err error) {
	if x.name == sts.AssumeRoleWithWebIdentity {
		x.proof.Region = globalRegion
		if call.Vouched, err = g.STS.Vouch(ctx, call.Form); err != nil {
			return g.limitFailure(r, err)
		}
		x.proof.Principal = call.Vouched.Principal
	} else if x.proof, err = g.Verifier.Verify(ctx, r, body); err != nil {
		return g.limitFailure(r, err)
	}
	call.Principal = x.proof.Principal
	return nil
}

// shown is what the audit trail has of a form. What is not named here may be a secret.
func shown(form url.Values) json.RawMessage {
	all := map[string]any{}
	for _, parameter := range []string{"RoleArn", "RoleSessionName", "Policy", "DurationSeconds", "ExternalId"} {
		if form.Has(parameter) {
			all[strings.ToLower(parameter[:1])+parameter[1:]] = form.Get(parameter)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return parameters(all)
}

// made is what the audit trail has of credentials.
func made(out *sts.Result) json.RawMessage {
	all := map[string]any{"credentials": map[string]any{"accessKeyId": out.Credentials.AccessKeyID, "expiration": out.Credentials.Expiration}}
	if role := out.AssumedRole; role != nil {
		all["assumedRoleUser"] = map[string]any{"assumedRoleId": role.AssumedRoleID, "arn": role.ARN}
	}
	for member, value := range map[string]string{"subjectFromWebIdentityToken": out.Subject, "audience": out.Audience, "provider": out.Provider} {
		if value != "" {
			all[member] = value
		}
	}
	return parameters(all)
}

// readForm refuses a parameter that is there twice: others could take the other one.
func readForm(body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.New(sts.MalformedInput, "The request's body is not a form.").Because(err)
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, fault.Newf(sts.MalformedInput, "The parameter %s is there twice.", strconv.Quote(name))
		}
	}
	action, version := form.Get("Action"), form.Get("Version")
	switch {
	case action == "":
		return nil, fault.New("MissingAction", "The request has no Action.")
	case version != sts.Version || !slices.Contains(sts.Actions(), action):
		return nil, fault.Newf(sts.InvalidAction, "Could not find operation %s for version %s", action, version)
	}
	return form, nil
}

// queryCode is what STS calls the exceptions of the framework (STS API reference, "Common errors").
var queryCode = map[string]struct {
	code   string
	status int
}{
	fault.UnrecognizedClient:         {"InvalidClientTokenId", http.StatusForbidden},
	fault.ExpiredToken:               {"ExpiredToken", http.StatusForbidden},
	fault.InvalidSignature:           {"SignatureDoesNotMatch", http.StatusForbidden},
	fault.MissingAuthenticationToken: {"MissingAuthenticationToken", http.StatusForbidden},
	fault.IncompleteSignature:        {"IncompleteSignature", http.StatusForbidden},
	fault.RequestTooLarge:            {"RequestEntityTooLarge", http.StatusRequestEntityTooLarge},
	fault.AccessDenied:               {sts.AccessDenied, http.StatusForbidden},
	fault.Validation:                 {sts.ValidationError, http.StatusBadRequest},
	fault.Serialization:              {sts.MalformedInput, http.StatusBadRequest},
	fault.Throttling:                 {"Throttling", http.StatusBadRequest},
	fault.ServiceUnavailable:         {"ServiceUnavailable", http.StatusServiceUnavailable},
	sts.AccessDenied:                 {sts.AccessDenied, http.StatusForbidden},
	sts.ValidationError:              {sts.ValidationError, http.StatusBadRequest},
	sts.MalformedPolicy:              {sts.MalformedPolicy, http.StatusBadRequest},
	sts.MalformedInput:               {sts.MalformedInput, http.StatusBadRequest},
	sts.InvalidAction:                {sts.InvalidAction, http.StatusBadRequest},
	sts.InvalidIdentityToken:         {sts.InvalidIdentityToken, http.StatusBadRequest},
	sts.ExpiredIdentityToken:         {fault.ExpiredToken, http.StatusBadRequest},
	sts.IDPCommunicationError:        {sts.IDPCommunicationError, http.StatusBadRequest},
	sts.IDPRejectedClaim:             {sts.IDPRejectedClaim, http.StatusForbidden},
	"MissingAction":                  {"MissingAction", http.StatusBadRequest},
}

// queryFault is an error under the code that STS has for it.
func queryFault(err error) *fault.Error {
	f := *fault.From(err)
	known, ok := queryCode[f.Code]
	if !ok {
		return fault.New("InternalFailure", "The request processing has failed because of an unknown error, exception or failure.").Because(err)
	}
	f.Code = known.code
	return &f
}

func (g *Gateway) refuseQuery(w http.ResponseWriter, id, action string, err error) {
	f, status, side := queryFault(err), http.StatusInternalServerError, "Receiver"
	if known, ok := queryCode[fault.From(err).Code]; ok {
		status, side = known.status, "Sender"
	}
	level := slog.LevelInfo
	if quiet(err) {
		level = slog.LevelDebug
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	g.Logger.Log(context.Background(), level, "refused", "requestId", id, "operation", action, "code", f.Code, "message", f.Message, "cause", cause(f))
	type failure struct{ Type, Code, Message string }
	g.writeXML(w, id, status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Space     string   `xml:"xmlns,attr"`
		Error     failure
		RequestID string `xml:"RequestId"`
	}{Space: stsSpace, Error: failure{side, f.Code, f.Message}, RequestID: id})
}

func (g *Gateway) answerQuery(w http.ResponseWriter, id, action string, out *sts.Result) {
	type result struct {
		XMLName xml.Name
		*sts.Result
	}
	g.writeXML(w, id, http.StatusOK, struct {
		XMLName   xml.Name
		Space     string `xml:"xmlns,attr"`
		Result    result
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{XMLName: xml.Name{Local: action + "Response"}, Space: stsSpace, Result: result{xml.Name{Local: action + "Result"}, out}, RequestID: id})
}

func (g *Gateway) writeXML(w http.ResponseWriter, id string, status int, answer any) {
	var body bytes.Buffer
	if err := xml.NewEncoder(&body).Encode(answer); err != nil {
		g.Logger.Error("an answer can't be written", "requestId", id, "err", err)
		status = http.StatusInternalServerError
		body.Reset()
	}
	header := w.Header()
	header["X-Amzn-Requestid"] = []string{id}
	header["Content-Type"] = []string{"text/xml"}
	w.WriteHeader(status)
	if _, err := w.Write(body.Bytes()); err != nil {
		g.Logger.Debug("the client did not take the answer", "requestId", id, "err", err)
	}
}
