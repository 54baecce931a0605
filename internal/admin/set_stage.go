package admin

import (
	"context"
	"errors"

	"latchkey/internal/ds"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// setStage gives a directory a stage and keeps it there, or lets it go again.
func (s *Service) setStage(ctx context.Context, call *operation.Call, in *SetStageRequest) (*SetStageResult, error) {
	if err := s.developing(); err != nil {
		return nil, err
	}
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if (in.Stage == nil) != value(in.Release) {
		return nil, fault.New(fault.InvalidParameter, "Give a Stage, or Release.")
	}
	err = s.Lifecycle.Hold(ctx, record.ID, value(in.Stage), value(in.Reason))
	if errors.Is(err, lifecycle.ErrStage) {
		return nil, fault.Newf(fault.Client, "%v", err)
	}
	return &SetStageResult{}, ds.StoreFault(record.ID, err)
}
