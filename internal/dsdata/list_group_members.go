package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// listGroupMembers lists the direct members of a group (API reference, ListGroupMembers).
func (s *Service) listGroupMembers(ctx context.Context, call *operation.Call, in *ListGroupMembersRequest) (*ListGroupMembersResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm, in.MemberRealm)
	if err != nil {
		return nil, err
	}
	group, err := d.find(ctx, directory.Groups, *in.SAMAccountName)
	if err != nil {
		return nil, err
	}
	members, next, err := page(ctx, d.list("ListGroupMembers", group.SID.String()), in.NextToken, in.MaxResults, directory.Members(d.domain, group), nil, memberOf)
	if err != nil {
		return nil, err
	}
	return &ListGroupMembersResult{DirectoryId: in.DirectoryId, MemberRealm: &d.domain.Name, Members: members, NextToken: next, Realm: &d.domain.Name}, nil
}
