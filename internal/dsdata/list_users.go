package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// listUsers lists the users of the whole directory (API reference, ListUsers).
func (s *Service) listUsers(ctx context.Context, call *operation.Call, in *ListUsersRequest) (*ListUsersResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm)
	if err != nil {
		return nil, err
	}
	users, next, err := page(ctx, d.list("ListUsers"), in.NextToken, in.MaxResults, []string{string(directory.Users)}, userMembers, userSummary)
	if err != nil {
		return nil, err
	}
	return &ListUsersResult{DirectoryId: in.DirectoryId, NextToken: next, Realm: &d.domain.Name, Users: users}, nil
}
