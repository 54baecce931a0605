package ds

import (
	"context"
	"errors"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// createSnapshot saves a directory as it is now (API reference, CreateSnapshot); it is done in the background.
func (s *Service) createSnapshot(ctx context.Context, call *operation.Call, in *CreateSnapshotRequest) (*CreateSnapshotResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	snapshot, err := s.Lifecycle.CreateSnapshot(ctx, record, value(in.Name))
	if errors.Is(err, lifecycle.ErrSnapshotLimit) {
		return nil, snapshotLimit(record)
	}
	if err != nil {
		return nil, snapshotFault(record, err)
	}
	return &CreateSnapshotResult{SnapshotId: &snapshot.ID}, nil
}

func snapshotLimit(record store.Directory) error {
	return fault.Newf(fault.SnapshotLimitExceeded, "The maximum number of manual snapshots (%d) for directory %s has been reached.", lifecycle.SnapshotLimit, record.ID)
}

// findSnapshot is the caller's snapshot of that id, and its directory.
func (s *Service) findSnapshot(call *operation.Call, id string) (store.Snapshot, store.Directory, error) {
	snapshot, err := s.Lifecycle.Snapshot(id)
	if err != nil || snapshot.Account != call.Account || snapshot.Region != call.Region {
		return snapshot, store.Directory{}, fault.Newf(fault.EntityDoesNotExist, "Snapshot %s does not exist.", id).Because(err)
	}
	record, err := s.find(call, snapshot.Directory)
	return snapshot, record, err
}

// snapshotOf is the directory that a request with the id of a snapshot is about.
func (s *Service) snapshotOf(id *string) string {
	snapshot, err := s.Lifecycle.Snapshot(*id)
	if err != nil {
		return ""
	}
	return snapshot.Directory
}

// snapshotFault is the exception for what the worker refuses. The operations on snapshots have no better one than
// ClientException.
func snapshotFault(record store.Directory, err error) error {
	switch {
	case errors.Is(err, lifecycle.ErrNoSnapshots):
		return fault.Newf(fault.Client, "The operation is not supported: snapshots of directory %s can't be made, since its domain is run by somebody else.", record.ID).Because(err)
	case errors.Is(err, lifecycle.ErrStage):
		return fault.Newf(fault.Client, "The operation can't be performed now: %v.", err).Because(err)
	}
	return StoreFault(record.ID, err)
}
