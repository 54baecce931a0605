package ds

import (
	"context"

	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// disableRADIUS forgets the RADIUS servers of a directory (API reference, DisableRadius).
func (s *Service) disableRADIUS(ctx context.Context, call *operation.Call, in *DisableRadiusRequest) (*DisableRadiusResult, error) {
	record, err := s.findRADIUS(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		err := enabledRADIUS(record)
		record.Radius = nil
		return err
	})
	return &DisableRadiusResult{}, err
}
