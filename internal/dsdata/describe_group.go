package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// describeGroup shows a group, with the other attributes that are named (API reference, DescribeGroup).
func (s *Service) describeGroup(ctx context.Context, call *operation.Call, in *DescribeGroupRequest) (*DescribeGroupResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm)
	if err != nil {
		return nil, err
	}
	other, err := named(directory.Groups, in.OtherAttributes)
	if err != nil {
		return nil, err
	}
	found, err := d.find(ctx, directory.Groups, *in.SAMAccountName, ldapNames(other)...)
	if err != nil {
		return nil, err
	}
	group := groupOf(found, other)
	return &DescribeGroupResult{
		DirectoryId: in.DirectoryId, DistinguishedName: group.DistinguishedName, GroupScope: group.GroupScope, GroupType: group.GroupType,
		OtherAttributes: group.OtherAttributes, Realm: &d.domain.Name, SAMAccountName: group.SAMAccountName, SID: group.SID,
	}, nil
}
