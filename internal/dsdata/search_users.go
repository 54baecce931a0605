package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// searchUsers lists the users of which one of the attributes is what is searched for, with these attributes (API reference,
// SearchUsers).
func (s *Service) searchUsers(ctx context.Context, call *operation.Call, in *SearchUsersRequest) (*SearchUsersResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm)
	if err != nil {
		return nil, err
	}
	by, err := named(directory.Users, in.SearchAttributes)
	if err != nil {
		return nil, err
	}
	sought, err := filter(directory.Users, *in.SearchString, by)
	if err != nil {
		return nil, err
	}
	users, next, err := page(ctx, d.list("SearchUsers", sought), in.NextToken, in.MaxResults, []string{sought}, append(ldapNames(by), userMembers...), func(found directory.Principal) User {
		return userOf(found, others(by))
	})
	if err != nil {
		return nil, err
	}
	return &SearchUsersResult{DirectoryId: in.DirectoryId, NextToken: next, Realm: &d.domain.Name, Users: users}, nil
}
