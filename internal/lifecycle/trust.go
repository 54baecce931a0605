package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/directory/samba"
	"latchkey/internal/store"
)

// AWS's states of a trust (API reference, Trust). It is Created, and then verified if it lets others in; what changed is
// Updated, and verified.
const (
	TrustCreating     = "Creating"
	TrustCreated      = "Created"
	TrustVerifying    = "Verifying"
	TrustVerified     = "Verified"
	TrustVerifyFailed = "VerifyFailed"
	TrustUpdating     = "Updating"
	TrustUpdated      = "Updated"
	TrustDeleting     = "Deleting"
	TrustFailed       = "Failed"
)

// AWS's directions of a trust, and its types.
const (
	TrustIncoming = "One-Way: Incoming"
	TrustOutgoing = "One-Way: Outgoing"
	TrustTwoWay   = "Two-Way"

	TrustForest   = "Forest"
	TrustExternal = "External"
)

// truster is an engine whose domains can trust others. What its methods do can be repeated; an error that wraps a
// *samba.TrustError is final. Other engines keep trusts as they are told, without effect.
type truster interface {
	CreateTrust(ctx context.Context, d directory.Domain, t samba.Trust, password []byte) error
	DeleteTrust(ctx context.Context, d directory.Domain, domain string) error
	VerifyTrust(ctx context.Context, d directory.Domain, domain string) error
}

// Trusts says whether the directory's domain really trusts another.
func (w *Worker) Trusts(record store.Directory) bool {
	_, ok := w.Engines[EngineName(record)].(truster)
	return ok
}

// NewTrustID is an id for a new trust.
func NewTrustID() string { return "t-" + random() }

// bare is a domain's name as names are compared.
func bare(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// settleTrusts makes, verifies and removes trusts: for each the next thing that its state asks for.
func (w *Worker) settleTrusts(ctx context.Context, record store.Directory) error {
	var errs []error
	for _, trust := range record.Trusts {
		var next func(context.Context, store.Directory, store.Trust) error
		switch trust.State {
		case TrustCreating:
			next = w.createTrust
		case TrustUpdating, TrustUpdated:
			next = w.updateTrust
		case TrustVerifying:
			next = w.verifyTrust
		case TrustDeleting:
			next = w.deleteTrust
		default:
			// A restored domain may have it no more, or with another password.
			restored := trust.Restore != record.Restore.Number && trust.State != TrustFailed
			if !restored && (trust.State != TrustCreated || trust.Direction == TrustIncoming) {
				continue
			}
			next = w.beginVerifying
		}
		errs = append(errs, lost(next(ctx, record, trust)))
	}
	return errors.Join(errs...)
}

// enterTrust gives a trust its next state, unless somebody else has done so meanwhile.
func (w *Worker) enterTrust(ctx context.Context, record store.Directory, trust store.Trust, state, reason string) error {
	_, err := w.directories.Update(ctx, record.ID, func(newest *store.Directory) error {
		at := slices.IndexFunc(newest.Trusts, func(t store.Trust) bool { return t.ID == trust.ID })
		if at < 0 || newest.Trusts[at].State != trust.State || !newest.Trusts[at].Since.Equal(trust.Since) {
			return store.ErrConflict
		}
		t := &newest.Trusts[at]
		if t.Status = (store.Status{State: state, Reason: reason, Since: w.moment()}); state != TrustCreating {
			t.Password = nil
		}
		t.Restore = record.Restore.Number
		return nil
	})
	if err == nil {
		w.Logger.Info("trust", "id", trust.ID, "directory", record.ID, "domain", trust.RemoteDomain, "state", state, "reason", reason)
	}
	return err
}

func (w *Worker) createTrust(ctx context.Context, record store.Directory, trust store.Trust) error {
	engine, domain, err := w.trusting(record)
	if err != nil {
		return err
	}
	if engine != nil {
		password, err := w.Sealer.Open(trust.Password, trust.ID)
		if err != nil {
			return w.enterTrust(ctx, record, trust, TrustFailed, "The trust's password can't be read: "+err.Error())
		}
		defer clear(password)
		if err := w.starting(trust); err != nil {
			return err
		}
		err = engine.CreateTrust(ctx, domain, half(trust), password)
		if wrong, ok := errors.AsType[*samba.TrustError](err); ok {
			return w.enterTrust(ctx, record, trust, TrustFailed, wrong.Reason)
		}
		if err != nil {
			return err
		}
	}
	if err := w.verifyOthers(ctx, record, trust); err != nil {
		return err
	}
	return w.enterTrust(ctx, record, trust, TrustCreated, "")
}

// half is the trust in the domain controllers' terms.
func half(trust store.Trust) samba.Trust {
	direction := map[string]samba.TrustDirection{TrustIncoming: samba.Incoming, TrustOutgoing: samba.Outgoing, TrustTwoWay: samba.TwoWay}
	return samba.Trust{Domain: bare(trust.RemoteDomain), Direction: direction[trust.Direction], Forest: trust.Type == TrustForest}
}

// trusting is the engine that holds real trusts of the directory; nil where trusts are only kept.
func (w *Worker) trusting(record store.Directory) (truster, directory.Domain, error) {
	engine, err := w.engine(record)
	if err != nil {
		return nil, directory.Domain{}, err
	}
	domain, err := Domain(record)
	found, _ := engine.(truster)
	return found, domain, err
}

// starting says that the other domain is one that this server runs, whose domain controllers are about to work: nothing is to
// be concluded from their silence.
func (w *Worker) starting(trust store.Trust) error {
	for _, other := range w.directories.Where(func(d store.Directory) bool { return bare(d.Name) == bare(trust.RemoteDomain) }, "", maxDirectories) {
		engine, err := w.engine(other)
		if err != nil || !w.Trusts(other) || !served(other) || other.Stage == Inoperable {
			continue
		}
		if !slices.ContainsFunc(engine.Health(other.ID), func(h Health) bool { return h.Up }) {
			return fmt.Errorf("%w: no domain controller of %s works yet", directory.ErrUnavailable, other.Name)
		}
	}
	return nil
}

func (w *Worker) beginVerifying(ctx context.Context, record store.Directory, trust store.Trust) error {
	return w.enterTrust(ctx, record, trust, TrustVerifying, "")
}

// updateTrust has nothing to write: selective authentication is what could change, and domains that this server runs have it
// off.
func (w *Worker) updateTrust(ctx context.Context, record store.Directory, trust store.Trust) error {
	if trust.State == TrustUpdating {
		return w.enterTrust(ctx, record, trust, TrustUpdated, "")
	}
	return w.beginVerifying(ctx, record, trust)
}

// recordedOnly is why a trust is not verified where trusts are only kept.
const recordedOnly = "The directory has no domain controllers: the trust is recorded, without effect."

// verifyTrust proves the directions that the trust has. The incoming one is the other domain's outgoing one, and can be proved
// only where this server runs that domain, too.
func (w *Worker) verifyTrust(ctx context.Context, record store.Directory, trust store.Trust) error {
	engine, domain, err := w.trusting(record)
	if err != nil {
		return err
	}
	if engine == nil {
		return w.enterTrust(ctx, record, trust, TrustVerifyFailed, recordedOnly)
	}
	if err := w.starting(trust); err != nil {
		return err
	}
	if trust.Direction != TrustIncoming {
		err = engine.VerifyTrust(ctx, domain, bare(trust.RemoteDomain))
	}
	if err == nil && trust.Direction != TrustOutgoing {
		err = w.verifyIncoming(ctx, record, trust)
	}
	if wrong, ok := errors.AsType[*samba.TrustError](err); ok {
		return w.enterTrust(ctx, record, trust, TrustVerifyFailed, wrong.Reason)
	}
	if err != nil {
		return err
	}
	return w.enterTrust(ctx, record, trust, TrustVerified, "")
}

func (w *Worker) verifyIncoming(ctx context.Context, record store.Directory, trust store.Trust) error {
	var errs []error
	for _, other := range w.counterparts(record, trust) {
		engine, domain, err := w.trusting(other)
		if err != nil || engine == nil {
			continue // another server's, or no domain that could be asked
		}
		if err = engine.VerifyTrust(ctx, domain, record.Name); err == nil {
			return nil
		}
		if wrong, ok := errors.AsType[*samba.TrustError](err); ok {
			err = &samba.TrustError{Reason: "From the other domain's side: " + wrong.Reason}
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 && trust.Direction == TrustIncoming {
		return &samba.TrustError{Reason: "An incoming trust is verified by the other domain, which this server does not run."}
	}
	return errors.Join(errs...)
}

// counterparts is the directories that this server knows and the trust may be with: two accounts may have one of the same name.
func (w *Worker) counterparts(record store.Directory, trust store.Trust) []store.Directory {
	return w.directories.Where(func(other store.Directory) bool {
		return other.ID != record.ID && bare(other.Name) == bare(trust.RemoteDomain) &&
			slices.ContainsFunc(other.Trusts, func(t store.Trust) bool { return bare(t.RemoteDomain) == bare(record.Name) })
	}, "", maxDirectories)
}

// verifyOthers lets the other halves of a trust be verified once more when this one has changed. What a verification that goes
// on finds does not count any more.
func (w *Worker) verifyOthers(ctx context.Context, record store.Directory, trust store.Trust) error {
	var errs []error
	for _, other := range w.counterparts(record, trust) {
		for _, t := range other.Trusts {
			if bare(t.RemoteDomain) == bare(record.Name) && slices.Contains(verifiable, t.State) && w.Trusts(other) {
				errs = append(errs, lost(w.beginVerifying(ctx, other, t)))
			}
		}
	}
	return errors.Join(errs...)
}

var verifiable = []string{TrustVerifying, TrustVerified, TrustVerifyFailed}

func (w *Worker) deleteTrust(ctx context.Context, record store.Directory, trust store.Trust) error {
	engine, domain, err := w.trusting(record)
	if err != nil {
		return err
	}
	if engine != nil {
		if err := engine.DeleteTrust(ctx, domain, bare(trust.RemoteDomain)); err != nil {
			return err
		}
	}
	if err := w.verifyOthers(ctx, record, trust); err != nil {
		return err
	}
	_, err = w.directories.Update(ctx, record.ID, func(newest *store.Directory) error {
		newest.Trusts = slices.DeleteFunc(newest.Trusts, func(t store.Trust) bool { return t.ID == trust.ID })
		return nil
	})
	if err == nil {
		w.Logger.Info("trust", "id", trust.ID, "directory", record.ID, "domain", trust.RemoteDomain, "state", "Deleted")
	}
	return err
}

// removeTrusts ends the trusts of a directory that is being deleted. The other halves are other directories' own, and are
// verified once more.
func (w *Worker) removeTrusts(ctx context.Context, record store.Directory) error {
	engine, domain, err := w.trusting(record)
	if err != nil {
		return err
	}
	var errs []error
	for _, trust := range record.Trusts {
		if engine != nil {
			// A domain that does not work any more goes all the same.
			if err := engine.DeleteTrust(ctx, domain, bare(trust.RemoteDomain)); err != nil {
				w.Logger.Warn("a trust of a directory that is being deleted can't be ended", "trust", trust.ID, "err", err)
			}
		}
		errs = append(errs, w.verifyOthers(ctx, record, trust))
	}
	return errors.Join(errs...)
}
