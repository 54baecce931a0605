package samba

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"latchkey/internal/forwarder"
)

// forwarderPort is where a domain controller's DNS asks for the names of other domains: its own has one place to ask for all
// of them.
const forwarderPort = 5399

// forwarderOf is that place for the domain controller of an address.
func forwarderOf(address netip.Addr) netip.AddrPort {
	return netip.AddrPortFrom(address, forwarderPort)
}

// Forward makes the directory's domain controllers ask these servers for the names of these domains, and nobody for those of
// others. Domain controllers that begin to run later do not know of it yet.
func (e *Engine) Forward(ctx context.Context, id string, zones []forwarder.Zone) error {
	at := e.domain(id)
	at.mu.Lock()
	defer at.mu.Unlock()
	var errs []error
	for _, r := range at.running {
		if r.forwarder == nil && len(zones) > 0 {
			server, err := forwarder.Listen(ctx, forwarderOf(r.Address), r.logger.With("host", r.Host))
			if err != nil {
				errs = append(errs, fmt.Errorf("the DNS of %s can't forward: %w", r.Host, err))
				continue
			}
			r.forwarder = server
		}
		if r.forwarder != nil {
			r.forwarder.SetZones(zones)
		}
	}
	return errors.Join(errs...)
}

// unforward ends what Forward began.
func (r *running) unforward() {
	if r.forwarder == nil {
		return
	}
	if err := r.forwarder.Close(); err != nil {
		r.logger.Warn("the DNS for other domains does not stop", "host", r.Host, "err", err)
	}
}
