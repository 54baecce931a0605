package dsdata

import (
	"context"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// addGroupMember makes a user, a group or a computer a member of a group of the customer's (API reference, AddGroupMember).
func (s *Service) addGroupMember(ctx context.Context, call *operation.Call, in *AddGroupMemberRequest) (*AddGroupMemberResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.MemberRealm)
	if err != nil {
		return nil, err
	}
	return once(ctx, d, in.ClientToken, in, func() (*AddGroupMemberResult, error) {
		member, group, err := d.membership(ctx, *in.MemberName, *in.GroupName)
		if err != nil {
			return nil, err
		}
		err = directory.AddMember(ctx, d.conn, group, member)
		if errors.Is(err, directory.ErrExists) {
			return nil, fault.New(fault.Conflict, "The member is in the group already.").Because(err)
		}
		if err != nil {
			return nil, d.fault(noun(directory.Principals), err)
		}
		return &AddGroupMemberResult{}, nil
	})
}
