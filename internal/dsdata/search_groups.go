package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// searchGroups lists the groups of which one of the attributes is what is searched for, with these attributes (API reference,
// SearchGroups).
func (s *Service) searchGroups(ctx context.Context, call *operation.Call, in *SearchGroupsRequest) (*SearchGroupsResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm)
	if err != nil {
		return nil, err
	}
	by, err := named(directory.Groups, in.SearchAttributes)
	if err != nil {
		return nil, err
	}
	sought, err := filter(directory.Groups, *in.SearchString, by)
	if err != nil {
		return nil, err
	}
	groups, next, err := page(ctx, d.list("SearchGroups", sought), in.NextToken, in.MaxResults, []string{sought}, ldapNames(by), func(found directory.Principal) Group {
		return groupOf(found, others(by))
	})
	if err != nil {
		return nil, err
	}
	return &SearchGroupsResult{DirectoryId: in.DirectoryId, Groups: groups, NextToken: next, Realm: &d.domain.Name}, nil
}
