package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// removeGroupMember ends a membership in a group of the customer's (API reference, RemoveGroupMember).
func (s *Service) removeGroupMember(ctx context.Context, call *operation.Call, in *RemoveGroupMemberRequest) (*RemoveGroupMemberResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.MemberRealm)
	if err != nil {
		return nil, err
	}
	return once(ctx, d, in.ClientToken, in, func() (*RemoveGroupMemberResult, error) {
		member, group, err := d.membership(ctx, *in.MemberName, *in.GroupName)
		if err != nil {
			return nil, err
		}
		if err := directory.RemoveMember(ctx, d.conn, group, member); err != nil {
			return nil, d.fault(noun(directory.Principals), err)
		}
		return &RemoveGroupMemberResult{}, nil
	})
}
