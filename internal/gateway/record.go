package gateway

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"latchkey/internal/audit"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

func (g *Gateway) newEvent(x *exchange, r *http.Request) *audit.Event {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	event := &audit.Event{
		EventTime: g.Now(), EventName: x.name, SourceIPAddress: address, UserAgent: r.UserAgent(), RequestID: x.id,
		ReadOnly: x.spec.Access == operation.Read, RecipientAccountID: g.Account,
	}
	switch x.service {
	case wire.Latchkey:
		event.EventSource = x.service.Name
	case wire.CloudTrail:
		event.EventSource = x.service.Name + ".amazonaws.com"
	}
	if r.TLS != nil {
		event.TLSDetails = &audit.TLSDetails{
			TLSVersion: strings.Replace(tls.VersionName(r.TLS.Version), "TLS 1", "TLSv1", 1), CipherSuite: tls.CipherSuiteName(r.TLS.CipherSuite),
			ClientProvidedHostHeader: r.Host,
		}
	}
	return event
}

// record writes the outcome of a call, and for a write returns when it is on the disk.
func (g *Gateway) record(ctx context.Context, x *exchange, out any, err error) error {
	if quiet(err) {
		return nil
	}
	additional := map[string]any{}
	if x.subject != "" {
		additional["SID"] = x.subject
	}
	if err != nil {
		f := fault.From(err)
		code, message := f.Code, f.Message
		if f.OutcomeUnknown {
			code = audit.OutcomeUnknown
		}
		x.event.Fail(code, message)
		if why := cause(f); why != "" {
			additional["reason"] = why
		}
	} else if x.spec.Access == operation.Write {
		x.event.ResponseElements = parameters(x.service.RedactResult(x.name, out))
	}
	if len(additional) > 0 {
		x.event.AdditionalEventData = parameters(additional)
	}
	if failed := g.Audit.Outcome(context.WithoutCancel(ctx), x.event); failed != nil {
		return fault.From(failed).Unknown()
	}
	return nil
}

func parameters(values map[string]any) json.RawMessage {
	if values == nil {
		return nil
	}
	encoded, err := json.Marshal(values)
	if err != nil {
		return nil
	}
	return encoded
}

// cause is what an administrator should know and a client should not.
func cause(f *fault.Error) string {
	if f.Err == nil {
		return ""
	}
	return f.Err.Error()
}

func isPHP(userAgent string) bool { return strings.Contains(userAgent, "aws-sdk-php") }
