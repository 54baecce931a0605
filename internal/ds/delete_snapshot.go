package ds

import (
	"context"

	"latchkey/internal/operation"
)

// deleteSnapshot deletes a snapshot (API reference, DeleteSnapshot). It is not shown from then on.
func (s *Service) deleteSnapshot(ctx context.Context, call *operation.Call, in *DeleteSnapshotRequest) (*DeleteSnapshotResult, error) {
	snapshot, record, err := s.findSnapshot(call, *in.SnapshotId)
	if err != nil {
		return nil, err
	}
	if err := s.Lifecycle.DeleteSnapshot(ctx, record, snapshot); err != nil {
		return nil, snapshotFault(record, err)
	}
	return &DeleteSnapshotResult{SnapshotId: &snapshot.ID}, nil
}
