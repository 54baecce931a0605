package lifecycle

import (
	"context"
	"net/netip"

	"latchkey/internal/forwarder"
	"latchkey/internal/store"
)

// resolver is an engine whose directories have a DNS of their own. Others keep conditional forwarders as they are told,
// without effect.
type resolver interface {
	// Forward makes the directory's DNS ask as its record says for the names of other domains.
	Forward(ctx context.Context, record store.Directory) error
}

// settleForwarders makes the DNS of a directory forward as its record has it.
func (w *Worker) settleForwarders(ctx context.Context, record store.Directory) error {
	engine, err := w.engine(record)
	if err != nil {
		return err
	}
	if r, ok := engine.(resolver); ok {
		return r.Forward(ctx, record)
	}
	return nil
}

// Forward implements resolver. AWS's forwarders have addresses only: DNS is at port 53.
func (e sambaEngine) Forward(ctx context.Context, record store.Directory) error {
	const port = 53
	var zones []forwarder.Zone
	for _, f := range record.Forwarders {
		zone := forwarder.Zone{Name: f.RemoteDomain}
		for _, text := range append(append([]string{}, f.Addresses...), f.Addresses6...) {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			zone.Servers = append(zone.Servers, netip.AddrPortFrom(address, port))
		}
		zones = append(zones, zone)
	}
	return e.Engine.Forward(ctx, record.ID, zones)
}
