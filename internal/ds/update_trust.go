package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// updateTrust turns selective authentication on or off (API reference, UpdateTrust); the trust is verified then, in the
// background. Domains that really trust others have it off. The operation has no UnsupportedOperationException.
func (s *Service) updateTrust(ctx context.Context, call *operation.Call, in *UpdateTrustRequest) (*UpdateTrustResult, error) {
	_, record, err := s.findTrust(call, *in.TrustId)
	if err != nil {
		return nil, err
	}
	if in.SelectiveAuth == nil {
		return nil, fault.New(fault.InvalidParameter, "SelectiveAuth must be specified.")
	}
	if err := workable(record); err != nil {
		return nil, err
	}
	if *in.SelectiveAuth == SelectiveAuthEnabled && s.Lifecycle.Trusts(record) {
		return nil, fault.New(fault.Client, notSelective)
	}
	err = s.changeTrust(ctx, call, record, *in.TrustId, lifecycle.TrustUpdating, func(_ *store.Directory, trust *store.Trust) error {
		if err := settled(*trust); err != nil {
			return err
		}
		trust.SelectiveAuth = *in.SelectiveAuth
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &UpdateTrustResult{RequestId: &call.RequestID, TrustId: in.TrustId}, nil
}
