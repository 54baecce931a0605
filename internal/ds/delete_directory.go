package ds

import (
	"context"

	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// deleteDirectory removes a directory and all it holds (API reference, DeleteDirectory).
func (s *Service) deleteDirectory(ctx context.Context, call *operation.Call, in *DeleteDirectoryRequest) (*DeleteDirectoryResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if record.Stage != lifecycle.Deleting {
		if err := s.Lifecycle.Delete(ctx, record); err != nil {
			return nil, storeFault(record.ID, err)
		}
	}
	return &DeleteDirectoryResult{DirectoryId: &record.ID}, nil
}
