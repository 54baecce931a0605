package ds

import (
	"context"

	"latchkey/internal/operation"
)

// rejectSharedDirectory turns down a directory that another account offers (API reference, RejectSharedDirectory).
func (s *Service) rejectSharedDirectory(ctx context.Context, call *operation.Call, in *RejectSharedDirectoryRequest) (*RejectSharedDirectoryResult, error) {
	record, err := s.answerShare(ctx, call, *in.SharedDirectoryId, ShareStatusRejecting)
	return &RejectSharedDirectoryResult{SharedDirectoryId: &record.ID}, err
}
