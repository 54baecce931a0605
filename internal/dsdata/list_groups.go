package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// listGroups lists the groups of the whole directory (API reference, ListGroups).
func (s *Service) listGroups(ctx context.Context, call *operation.Call, in *ListGroupsRequest) (*ListGroupsResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm)
	if err != nil {
		return nil, err
	}
	groups, next, err := page(ctx, d.list("ListGroups"), in.NextToken, in.MaxResults, []string{string(directory.Groups)}, nil, groupSummary)
	if err != nil {
		return nil, err
	}
	return &ListGroupsResult{DirectoryId: in.DirectoryId, NextToken: next, Realm: &d.domain.Name, Groups: groups}, nil
}
