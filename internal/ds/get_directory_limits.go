package ds

import (
	"context"

	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// getDirectoryLimits tells how many directories the caller has in the Region, and may have (API reference,
// GetDirectoryLimits).
func (s *Service) getDirectoryLimits(_ context.Context, call *operation.Call, _ *GetDirectoryLimitsRequest) (*GetDirectoryLimitsResult, error) {
	simple, simpleMost, simpleReached := s.count(call, DirectoryTypeSimpleAD)
	microsoft, microsoftMost, microsoftReached := s.count(call, DirectoryTypeMicrosoftAD)
	connected, connectedMost, connectedReached := s.count(call, DirectoryTypeADConnector)
	return &GetDirectoryLimitsResult{DirectoryLimits: &DirectoryLimits{
		CloudOnlyDirectoriesCurrentCount: &simple, CloudOnlyDirectoriesLimit: &simpleMost, CloudOnlyDirectoriesLimitReached: &simpleReached,
		CloudOnlyMicrosoftADCurrentCount: &microsoft, CloudOnlyMicrosoftADLimit: &microsoftMost, CloudOnlyMicrosoftADLimitReached: &microsoftReached,
		ConnectedDirectoriesCurrentCount: &connected, ConnectedDirectoriesLimit: &connectedMost, ConnectedDirectoriesLimitReached: &connectedReached,
	}}, nil
}

// directoryLimits is how many directories of each type an account has in a Region at most (API reference,
// GetDirectoryLimits).
var directoryLimits = map[string]int32{DirectoryTypeSimpleAD: 10, DirectoryTypeMicrosoftAD: 20, DirectoryTypeADConnector: 10}

// count is how many directories of the type the caller has in the Region, and may have.
func (s *Service) count(call *operation.Call, kind string) (count, most int32, reached bool) {
	most = directoryLimits[kind]
	count = int32(len(s.Directories.Where(func(record store.Directory) bool { //nolint:gosec // at most 1 << 20
		return record.Account == call.Account && record.Region == call.Region && record.Type == kind
	}, "", 1<<20)))
	return count, most, count >= most
}
