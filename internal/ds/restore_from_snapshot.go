package ds

import (
	"context"

	"latchkey/internal/operation"
)

// restoreFromSnapshot puts a directory back to what one of its snapshots has saved (API reference, RestoreFromSnapshot). The
// directory is Restoring until it is done, and unavailable.
func (s *Service) restoreFromSnapshot(ctx context.Context, call *operation.Call, in *RestoreFromSnapshotRequest) (*RestoreFromSnapshotResult, error) {
	snapshot, record, err := s.findSnapshot(call, *in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := s.Lifecycle.Restore(ctx, record, snapshot); err != nil {
		return nil, snapshotFault(record, err)
	}
	return &RestoreFromSnapshotResult{}, nil
}
