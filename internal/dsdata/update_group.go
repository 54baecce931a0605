package dsdata

import (
	"context"
	"maps"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// updateGroup adds, replaces or removes attributes of a group, or changes its scope and type (API reference, UpdateGroup).
func (s *Service) updateGroup(ctx context.Context, call *operation.Call, in *UpdateGroupRequest) (*UpdateGroupResult, error) {
	d, err := s.open(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	values, err := changes(directory.Groups, in.OtherAttributes, nil)
	if err != nil {
		return nil, err
	}
	kind := in.GroupScope != nil || in.GroupType != nil
	if kind && value(in.UpdateType) == UpdateTypeREMOVE {
		return nil, invalid("INVALID_ATTRIBUTE_FOR_MODIFY", "A group always has a scope and a type.")
	}
	if len(values) == 0 && !kind {
		return nil, errMissing()
	}
	return once(ctx, d, in.ClientToken, in, func() (*UpdateGroupResult, error) {
		group, err := d.own(ctx, directory.Groups, *in.SAMAccountName, slices.Collect(maps.Keys(values))...)
		if err != nil {
			return nil, err
		}
		if kind {
			bits, err := groupBits(group.Group, in.GroupScope, in.GroupType)
			if err != nil {
				return nil, err
			}
			if err := directory.CheckGroupType(ctx, d.conn, d.domain, group, bits); err != nil {
				return nil, d.fault(noun(directory.Groups), err)
			}
			values["groupType"] = directory.GroupTypeValue(bits)
		}
		if err := d.update(ctx, directory.Groups, group, in.UpdateType, values); err != nil {
			return nil, err
		}
		return &UpdateGroupResult{}, nil
	})
}
