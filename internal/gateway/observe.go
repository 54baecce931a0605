package gateway

import (
	"context"
	"errors"
	"net/http"

	"latchkey/internal/audit"
)

// Observer is told of a call that has come in, before anything of it is looked at. It may give the call another context, and is
// called back with what came of it.
type Observer func(ctx context.Context, r *http.Request) (context.Context, func(Outcome))

// Outcome is what came of a call, without anything that its client has made up.
type Outcome struct {
	RequestID string
	Service   string
	Operation string // "" where the service has none of that name
	Directory string // the id of the directory that is called upon, if any
	Code      string // the exception; OK where there is none
	Limit     string // the limit that refused the call, if one did
}

// Trail is an audit trail, as *audit.Log is one.
type Trail interface {
	Intent(ctx context.Context, event *audit.Event) error
	Outcome(ctx context.Context, event *audit.Event) error
}

// observe tells the observer of a call. end is called when it has its answer, and the outcome is known.
func (g *Gateway) observe(ctx context.Context, r *http.Request, outcome func() Outcome) (_ context.Context, end func()) {
	if g.Observer == nil {
		return ctx, func() {}
	}
	ctx, ended := g.Observer(ctx, r)
	return ctx, func() { ended(outcome()) }
}

func (x *exchange) outcome() Outcome {
	o := Outcome{RequestID: x.id, Service: x.service.Name, Operation: x.spec.Name, Directory: x.directory, Code: succeeded}
	if x.refusal != nil {
		o.Code, o.Limit = x.service.Fault(x.refusal).Code, limitOf(x.refusal)
	}
	return o
}

// queryOutcome is that of a call of STS.
func queryOutcome(id, action string, refusal error) Outcome {
	o := Outcome{RequestID: id, Service: "sts", Operation: action, Code: succeeded}
	if refusal != nil {
		o.Code, o.Limit = queryFault(refusal).Code, limitOf(refusal)
	}
	return o
}

// succeeded is the code of a call that was carried out.
const succeeded = "OK"

// Large is how many large requests are held, and how many may be.
func (g *Gateway) Large() (held, most int) { return int(g.large.Load()), maxLarge }

// limitOf is the limit that a call was refused by; "" where it was another reason.
func limitOf(err error) string {
	if l, ok := errors.AsType[*limited](err); ok {
		return l.limit
	}
	return ""
}
