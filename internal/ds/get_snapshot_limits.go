package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// getSnapshotLimits tells how many manual snapshots a directory has and may have (API reference, GetSnapshotLimits).
func (s *Service) getSnapshotLimits(_ context.Context, call *operation.Call, in *GetSnapshotLimitsRequest) (*GetSnapshotLimitsResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if !s.Lifecycle.MakesSnapshots(record) {
		return nil, fault.New(fault.Client, "Snapshot limits can be fetched only for VPC or Microsoft AD directories.")
	}
	limit, count := int32(lifecycle.SnapshotLimit), int32(s.Lifecycle.ManualSnapshots(record.ID)) //nolint:gosec // a few
	reached := count >= limit
	return &GetSnapshotLimitsResult{SnapshotLimits: &SnapshotLimits{
		ManualSnapshotsLimit: &limit, ManualSnapshotsCurrentCount: &count, ManualSnapshotsLimitReached: &reached,
	}}, nil
}
