package ds

import (
	"context"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// describeSharedDirectories lists with whom a directory is shared, by the shares' ids (API reference,
// DescribeSharedDirectories).
func (s *Service) describeSharedDirectories(_ context.Context, call *operation.Call, in *DescribeSharedDirectoriesRequest) (*DescribeSharedDirectoriesResult, error) {
	record, err := s.find(call, *in.OwnerDirectoryId)
	if err != nil {
		return nil, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	shares := s.Lifecycle.Shares(record.ID)
	if in.SharedDirectoryIds != nil {
		if len(in.SharedDirectoryIds) == 0 {
			return nil, fault.New(fault.InvalidParameter, "SharedDirectoryIds must not be empty.")
		}
		for _, id := range in.SharedDirectoryIds {
			if !slices.ContainsFunc(shares, func(share store.Directory) bool { return share.ID == id }) {
				return nil, fault.Newf(fault.EntityDoesNotExist, "Shared directory %s does not exist.", id)
			}
		}
		shares = slices.DeleteFunc(shares, func(share store.Directory) bool { return !slices.Contains(in.SharedDirectoryIds, share.ID) })
	}
	page, next, err := pageOf(s, call, "DescribeSharedDirectories/"+record.ID, in.NextToken, in.Limit, shares, func(share store.Directory) string { return share.ID })
	out := &DescribeSharedDirectoriesResult{SharedDirectories: []SharedDirectory{}, NextToken: next}
	for _, share := range page {
		out.SharedDirectories = append(out.SharedDirectories, describeShare(share))
	}
	return out, err
}
