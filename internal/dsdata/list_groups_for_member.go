package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// listGroupsForMember lists the groups that a user, a group or a computer is a direct member of, its primary group among them
// (API reference, ListGroupsForMember).
func (s *Service) listGroupsForMember(ctx context.Context, call *operation.Call, in *ListGroupsForMemberRequest) (*ListGroupsForMemberResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm, in.MemberRealm)
	if err != nil {
		return nil, err
	}
	member, err := d.find(ctx, directory.Principals, *in.SAMAccountName)
	if err != nil {
		return nil, err
	}
	groups, next, err := page(ctx, d.list("ListGroupsForMember", member.SID.String()), in.NextToken, in.MaxResults, directory.MemberOf(d.domain, member), nil, groupSummary)
	if err != nil {
		return nil, err
	}
	return &ListGroupsForMemberResult{DirectoryId: in.DirectoryId, Groups: groups, MemberRealm: &d.domain.Name, NextToken: next, Realm: &d.domain.Name}, nil
}
