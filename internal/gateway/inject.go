package gateway

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/fault"
	"latchkey/internal/wire"
)

var (
	errInjected = errors.New("injected by latchkey dev fault")
	errDropped  = errors.New("the connection is dropped")
)

// inject makes the call the subject of a fault, if one fits. Latchkey's own operations are spared: they end faults.
func (g *Gateway) inject(ctx context.Context, x *exchange) error {
	if g.Faults == nil || x.service == wire.Latchkey {
		return nil
	}
	parameters := x.service.Redact(x.name, x.request)
	user, _ := parameters["userName"].(string)
	if user == "" {
		user, _ = parameters["sAMAccountName"].(string)
	}
	return g.injectInto(ctx, x.name, x.spec.Directory(x.request), user)
}

// injectInto is inject for a call of which this is known.
func (g *Gateway) injectInto(ctx context.Context, operation, directory, user string) error {
	if g.Faults == nil {
		return nil
	}
	f, ok := g.Faults.Take(operation, directory, user)
	if !ok {
		return nil
	}
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-ctx.Done():
		}
	}
	switch {
	case f.Drop:
		return fault.New(fault.ServiceUnavailable, "").Because(errors.Join(errInjected, errDropped))
	case f.Code != "":
		return fault.New(f.Code, f.Message).Because(errInjected)
	}
	return nil
}
