package ds

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// describeDirectoryDataAccess tells whether Directory Service Data works on a directory (API reference,
// DescribeDirectoryDataAccess).
func (s *Service) describeDirectoryDataAccess(_ context.Context, call *operation.Call, in *DescribeDirectoryDataAccessRequest) (*DescribeDirectoryDataAccessResult, error) {
	record, err := s.findDirectory(call, *in.DirectoryId)
	if err == nil {
		err = only(record, directory.MicrosoftAD)
	}
	state := dataAccess(record)
	return &DescribeDirectoryDataAccessResult{DataAccessStatus: &state}, err
}
