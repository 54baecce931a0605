package admin

import (
	"context"
	"errors"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// resetServer puts the server back to its seed.
func (s *Service) resetServer(ctx context.Context, _ *operation.Call, _ *ResetServerRequest) (*ResetServerResult, error) {
	if err := s.developing(); err != nil {
		return nil, err
	}
	s.Faults.Clear("")
	err := s.Lifecycle.Reset(ctx)
	if errors.Is(err, lifecycle.ErrNoBaseline) {
		return nil, fault.Newf(fault.UnsupportedOperation, "The server can't be reset: %v.", err)
	}
	return &ResetServerResult{}, err
}
