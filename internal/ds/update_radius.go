package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// updateRADIUS changes the settings that are given, and tries the servers again (API reference, UpdateRadius).
func (s *Service) updateRADIUS(ctx context.Context, call *operation.Call, in *UpdateRadiusRequest) (*UpdateRadiusResult, error) {
	return &UpdateRadiusResult{}, s.setRADIUS(ctx, call, *in.DirectoryId, in.RadiusSettings, enabledRADIUS)
}

func enabledRADIUS(record *store.Directory) error {
	if record.Radius == nil {
		return fault.Newf(fault.EntityDoesNotExist, "RADIUS is not enabled for directory %s.", record.ID)
	}
	return nil
}
