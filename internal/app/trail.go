package app

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"latchkey/internal/audit"
	"latchkey/internal/audit/delivery"
)

// openTrail opens the audit trail, and what brings its records elsewhere: that ends after the trail, so that sinks get the last
// records.
func (a *App) openTrail(dir string, signer ed25519.PrivateKey, head audit.Head) (*audit.Log, error) {
	var targets []*delivery.Target
	for _, text := range a.config.AuditSink {
		target, err := delivery.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("--audit-sink: %w", err)
		}
		targets = append(targets, target)
	}
	trail, err := audit.Open(dir, audit.Options{
		Signer: signer, Keep: audit.Retention{Size: a.config.AuditFileSize << 20, Age: a.config.AuditKeep}, Head: head, Continue: a.config.AuditOnFailure == "continue",
		Wrote: a.watch.auditWrote(), Logger: a.logger, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	a.sinks, err = delivery.New(trail, delivery.Options{Dir: dir, Targets: targets, Stdout: a.ready, Logger: a.logger})
	if err != nil {
		a.closeLater(trail.Close)
		return nil, fmt.Errorf("--audit-sink: %w", err)
	}
	if !a.config.AuditDropUndelivered {
		trail.KeepFor(a.sinks.Needed)
	}
	a.closeLater(func() error {
		err := trail.Close()
		a.sinks.Close()
		return err
	})
	a.watch.trail.Store(trail)
	a.watch.sinks.Store(a.sinks)
	return trail, nil
}
