package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// deleteDirectory removes a directory and all it holds (API reference, DeleteDirectory).
func (s *Service) deleteDirectory(ctx context.Context, call *operation.Call, in *DeleteDirectoryRequest) (*DeleteDirectoryResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if shares := s.Lifecycle.Shares(record.ID); len(shares) > 0 {
		return nil, fault.Newf(fault.Client, "Cannot delete the directory because it is shared. Unshare it first: it is shared with account %s.", shares[0].Account)
	}
	if record.Stage != lifecycle.Deleting {
		if err := s.Lifecycle.Delete(ctx, record); err != nil {
			return nil, StoreFault(record.ID, err)
		}
	}
	return &DeleteDirectoryResult{DirectoryId: &record.ID}, nil
}
