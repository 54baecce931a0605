package admin

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// clearFaults ends one fault, or all.
func (s *Service) clearFaults(_ context.Context, _ *operation.Call, in *ClearFaultsRequest) (*ClearFaultsResult, error) {
	if err := s.developing(); err != nil {
		return nil, err
	}
	if id := value(in.FaultId); !s.Faults.Clear(id) && id != "" {
		return nil, fault.Newf(fault.EntityDoesNotExist, "Fault %s does not exist.", id)
	}
	return &ClearFaultsResult{}, nil
}
