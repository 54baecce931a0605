package ds

import (
	"context"

	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// verifyTrust lets a trust be verified once more (API reference, VerifyTrust); it is done in the background.
func (s *Service) verifyTrust(ctx context.Context, call *operation.Call, in *VerifyTrustRequest) (*VerifyTrustResult, error) {
	_, record, err := s.findTrust(call, *in.TrustId)
	if err != nil {
		return nil, err
	}
	if err := workable(record); err != nil {
		return nil, err
	}
	err = s.changeTrust(ctx, call, record, *in.TrustId, lifecycle.TrustVerifying, func(_ *store.Directory, trust *store.Trust) error {
		return settled(*trust)
	})
	if err != nil {
		return nil, err
	}
	return &VerifyTrustResult{TrustId: in.TrustId}, nil
}
