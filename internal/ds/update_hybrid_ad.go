package ds

import (
	"context"

	"latchkey/internal/operation"
)

// updateHybridAD is refused (API reference, UpdateHybridAD).
func (s *Service) updateHybridAD(_ context.Context, call *operation.Call, in *UpdateHybridADRequest) (*UpdateHybridADResult, error) {
	return nil, s.findHybrid(call, *in.DirectoryId)
}
