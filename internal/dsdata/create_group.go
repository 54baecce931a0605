package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// createGroup makes a group in the customer's OU: a global security group, unless told otherwise, as AD's own tools have it
// (API reference, CreateGroup).
func (s *Service) createGroup(ctx context.Context, call *operation.Call, in *CreateGroupRequest) (*CreateGroupResult, error) {
	d, err := s.open(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := accountName(*in.SAMAccountName); err != nil {
		return nil, err
	}
	kind, err := groupBits(directory.GroupGlobal|directory.GroupSecurity, in.GroupScope, in.GroupType)
	if err != nil {
		return nil, err
	}
	values, err := changes(directory.Groups, in.OtherAttributes, nil)
	if err != nil {
		return nil, err
	}
	return once(ctx, d, in.ClientToken, in, func() (*CreateGroupResult, error) {
		group, err := directory.CreateGroup(ctx, d.conn, d.domain, *in.SAMAccountName, kind, values)
		if err != nil {
			return nil, d.fault(noun(directory.Groups), err)
		}
		call.Subject = group.SID.String()
		return &CreateGroupResult{DirectoryId: in.DirectoryId, SAMAccountName: &group.Name, SID: &call.Subject}, nil
	})
}
