package admin

import (
	"context"
	"errors"

	"latchkey/internal/backup"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// createBackup begins a backup of everything that the server keeps, which only the recipients can open. ReadBackup gives it.
func (s *Service) createBackup(_ context.Context, _ *operation.Call, in *CreateBackupRequest) (*CreateBackupResult, error) {
	if s.Backups == nil {
		return nil, fault.New(fault.UnsupportedOperation, "This server keeps nothing that could be saved.")
	}
	id, err := s.Backups.Begin(in.Recipients)
	switch {
	case errors.Is(err, backup.ErrRecipient):
		return nil, fault.Newf(fault.InvalidParameter, "The backup can't be encrypted: %v.", err)
	case errors.Is(err, store.ErrCluster):
		return nil, fault.New(fault.UnsupportedOperation, "The store is an etcd cluster. Save it with etcd's own tools, and each server's data directory while it is stopped.").Because(err)
	case errors.Is(err, backup.ErrControllers):
		return nil, fault.New(fault.UnsupportedOperation, "This server runs domain controllers. Stop it to back it up.").Because(err)
	case err != nil:
		return nil, err
	}
	return &CreateBackupResult{BackupId: &id}, nil
}
