package dsdata

import (
	"context"
	"maps"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// updateUser adds, replaces or removes attributes of a user (API reference, UpdateUser).
func (s *Service) updateUser(ctx context.Context, call *operation.Call, in *UpdateUserRequest) (*UpdateUserResult, error) {
	d, err := s.open(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	values, err := changes(directory.Users, in.OtherAttributes, map[string]*string{"mail": in.EmailAddress, "givenName": in.GivenName, "sn": in.Surname})
	if err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, errMissing()
	}
	return once(ctx, d, in.ClientToken, in, func() (*UpdateUserResult, error) {
		user, err := d.own(ctx, directory.Users, *in.SAMAccountName, slices.Collect(maps.Keys(values))...)
		if err != nil {
			return nil, err
		}
		if err := d.update(ctx, directory.Users, user, in.UpdateType, values); err != nil {
			return nil, err
		}
		return &UpdateUserResult{}, nil
	})
}
