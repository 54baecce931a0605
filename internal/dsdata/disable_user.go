package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// disableUser takes a user's right to log in; only ds ResetUserPassword gives it back (API reference, DisableUser).
func (s *Service) disableUser(ctx context.Context, call *operation.Call, in *DisableUserRequest) (*DisableUserResult, error) {
	d, err := s.open(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	return once(ctx, d, in.ClientToken, in, func() (*DisableUserResult, error) {
		user, err := d.own(ctx, directory.Users, *in.SAMAccountName)
		if err != nil {
			return nil, err
		}
		if err := directory.Disable(ctx, d.conn, user); err != nil {
			return nil, d.fault(noun(directory.Users), err)
		}
		return &DisableUserResult{}, nil
	})
}
