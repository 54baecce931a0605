package ds

import (
	"context"
	"slices"

	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// deleteTrust removes a directory's half of a trust, whatever its state (API reference, DeleteTrust); it is done in the
// background. The conditional forwarder of the other domain goes with it if that is asked for.
func (s *Service) deleteTrust(ctx context.Context, call *operation.Call, in *DeleteTrustRequest) (*DeleteTrustResult, error) {
	_, record, err := s.findTrust(call, *in.TrustId)
	if err != nil {
		return nil, err
	}
	if err := workable(record); err != nil {
		return nil, err
	}
	err = s.changeTrust(ctx, call, record, *in.TrustId, lifecycle.TrustDeleting, func(record *store.Directory, trust *store.Trust) error {
		trust.Password = nil
		if in.DeleteAssociatedConditionalForwarder != nil && *in.DeleteAssociatedConditionalForwarder {
			record.Forwarders = slices.DeleteFunc(record.Forwarders, forwards(trust.RemoteDomain))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &DeleteTrustResult{TrustId: in.TrustId}, nil
}
