package ds

import (
	"context"

	"latchkey/internal/operation"
)

// disableDirectoryDataAccess ends the work of Directory Service Data on a directory (API reference,
// DisableDirectoryDataAccess).
func (s *Service) disableDirectoryDataAccess(ctx context.Context, call *operation.Call, in *DisableDirectoryDataAccessRequest) (*DisableDirectoryDataAccessResult, error) {
	return &DisableDirectoryDataAccessResult{}, s.turnDataAccess(ctx, call, *in.DirectoryId, DataAccessStatusDisabling, DataAccessStatusDisabled)
}
