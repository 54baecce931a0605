package admin

import (
	"context"
	"encoding/base64"
	"errors"

	"latchkey/internal/backup"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

// readBackup gives the next part of a backup in base64, or the part before once more.
func (s *Service) readBackup(_ context.Context, _ *operation.Call, in *ReadBackupRequest) (*ReadBackupResult, error) {
	if s.Backups == nil {
		return nil, fault.New(fault.UnsupportedOperation, "This server keeps nothing that could be saved.")
	}
	data, last, err := s.Backups.Read(*in.BackupId, int(*in.Part))
	switch {
	case errors.Is(err, backup.ErrNone):
		return nil, fault.Newf(fault.EntityDoesNotExist, "Backup %s does not exist. It was given up, or another one was begun.", *in.BackupId).Because(err)
	case errors.Is(err, backup.ErrOrder):
		return nil, fault.Newf(fault.InvalidParameter, "Part %d is not the next one of the backup.", *in.Part).Because(err)
	case err != nil:
		return nil, err
	}
	return &ReadBackupResult{Data: wire.NewSecret(base64.StdEncoding.AppendEncode(nil, data)), Last: &last}, nil
}
