package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// createTrust makes a directory's half of a trust (API reference, CreateTrust). It is made in the background, and verified
// then unless it only lets the directory's own users out.
func (s *Service) createTrust(ctx context.Context, call *operation.Call, in *CreateTrustRequest) (*CreateTrustResult, error) {
	record, err := s.findOwn(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := workable(record); err != nil {
		return nil, err
	}
	if err := foreign(record, *in.RemoteDomainName); err != nil {
		return nil, err
	}
	var forwarder *store.Forwarder
	if len(in.ConditionalForwarderIpAddrs)+len(in.ConditionalForwarderIpv6Addrs) > 0 {
		made, err := newForwarder(record, *in.RemoteDomainName, in.ConditionalForwarderIpAddrs, in.ConditionalForwarderIpv6Addrs)
		if err != nil {
			return nil, err
		}
		forwarder = &made
	}
	trust := store.Trust{
		ID: lifecycle.NewTrustID(), RemoteDomain: *in.RemoteDomainName, Direction: *in.TrustDirection, Type: TrustTypeForest, SelectiveAuth: SelectiveAuthDisabled,
		Status: store.Status{State: lifecycle.TrustCreating, Since: call.Time}, Created: call.Time, Updated: call.Time, Restore: record.Restore.Number,
	}
	if in.TrustType != nil {
		trust.Type = *in.TrustType
	}
	if in.SelectiveAuth != nil {
		trust.SelectiveAuth = *in.SelectiveAuth
	}
	if trust.SelectiveAuth == SelectiveAuthEnabled && s.Lifecycle.Trusts(record) {
		return nil, fault.New(fault.UnsupportedOperation, notSelective)
	}
	trust.Password = s.Lifecycle.Sealer.Seal(in.TrustPassword.Bytes(), trust.ID)
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if slices.ContainsFunc(record.Trusts, func(t store.Trust) bool { return bare(t.RemoteDomain) == bare(trust.RemoteDomain) }) {
			return fault.Newf(fault.EntityAlreadyExists, "A trust with %s exists already.", trust.RemoteDomain)
		}
		if len(record.Trusts) >= trustLimit {
			return fault.Newf(fault.Client, "A directory has at most %d trusts.", trustLimit)
		}
		record.Trusts = append(record.Trusts, trust)
		if forwarder == nil {
			return nil
		}
		at := slices.IndexFunc(record.Forwarders, forwards(forwarder.RemoteDomain))
		if at < 0 {
			return addForwarder(record, *forwarder)
		}
		if there := record.Forwarders[at]; !slices.Equal(there.Addresses, forwarder.Addresses) || !slices.Equal(there.Addresses6, forwarder.Addresses6) {
			return fault.Newf(fault.EntityAlreadyExists, "A conditional forwarder for %s exists already, with other addresses.", forwarder.RemoteDomain)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &CreateTrustResult{TrustId: &trust.ID}, nil
}

// notSelective is why trusts of real domains are never selective: it would be a promise that nobody keeps.
const notSelective = "Selective authentication is not supported: the directory's domain controllers can't enforce it."

// workable is available for the operations on trusts, which have no DirectoryUnavailableException.
func workable(record store.Directory) error {
	if err := available(record); err != nil {
		return fault.Newf(fault.Client, "The specified directory is unavailable. Its stage is %s.", record.Stage)
	}
	return nil
}

// findTrust is the caller's trust of that id, and its directory.
func (s *Service) findTrust(call *operation.Call, id string) (store.Trust, store.Directory, error) {
	record, trust, ok := s.trustOf(id)
	missing := fault.Newf(fault.EntityDoesNotExist, "Trust %s does not exist.", id)
	if !ok {
		return trust, record, missing
	}
	// Whose directory is not the caller's has no trust for the caller.
	if _, err := s.find(call, record.ID); err != nil {
		return trust, record, missing.Because(err)
	}
	return trust, record, nil
}

func (s *Service) trustOf(id string) (record store.Directory, trust store.Trust, ok bool) {
	is := func(t store.Trust) bool { return t.ID == id }
	found := s.Directories.Where(func(d store.Directory) bool { return slices.ContainsFunc(d.Trusts, is) }, "", 1)
	if len(found) == 0 {
		return record, trust, false
	}
	return found[0], found[0].Trusts[slices.IndexFunc(found[0].Trusts, is)], true
}

// directoryOfTrust is the directory that a request with the id of a trust is about.
func (s *Service) directoryOfTrust(id *string) string {
	record, _, _ := s.trustOf(*id)
	return record.ID
}

// changeTrust lets a trust enter its next state; change gets the newest one, and may refuse. The rest happens in the
// background.
func (s *Service) changeTrust(ctx context.Context, call *operation.Call, record store.Directory, id, state string, change func(*store.Directory, *store.Trust) error) error {
	_, err := s.update(ctx, record.ID, func(record *store.Directory) error {
		at := slices.IndexFunc(record.Trusts, func(t store.Trust) bool { return t.ID == id })
		if at < 0 {
			return fault.Newf(fault.EntityDoesNotExist, "Trust %s does not exist.", id)
		}
		trust := &record.Trusts[at]
		if err := change(record, trust); err != nil {
			return err
		}
		trust.Status, trust.Updated = store.Status{State: state, Since: call.Time}, call.Time
		return nil
	})
	return err
}

// settled refuses a trust that is being made, changed or removed, or was never made.
func settled(trust store.Trust) error {
	switch trust.State {
	case lifecycle.TrustCreated, lifecycle.TrustVerifying, lifecycle.TrustVerified, lifecycle.TrustVerifyFailed:
		return nil
	}
	return fault.Newf(fault.Client, "The operation can't be performed now: trust %s is %s.", trust.ID, trust.State)
}
