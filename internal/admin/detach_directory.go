package admin

import (
	"context"

	"latchkey/internal/ds"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// detachDirectory forgets an attached domain, in which nothing is touched. A directory whose objects Latchkey itself holds
// would lose them: it is refused.
func (s *Service) detachDirectory(ctx context.Context, call *operation.Call, in *DetachDirectoryRequest) (*DetachDirectoryResult, error) {
	record, err := s.attached(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if record.Stage != lifecycle.Deleting {
		if err := s.Lifecycle.Delete(ctx, record); err != nil {
			return nil, ds.StoreFault(record.ID, err)
		}
	}
	return &DetachDirectoryResult{DirectoryId: &record.ID}, nil
}
