package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// deleteUser deletes a user (API reference, DeleteUser).
func (s *Service) deleteUser(ctx context.Context, call *operation.Call, in *DeleteUserRequest) (*DeleteUserResult, error) {
	d, err := s.open(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	return once(ctx, d, in.ClientToken, in, func() (*DeleteUserResult, error) {
		user, err := d.own(ctx, directory.Users, *in.SAMAccountName)
		if err != nil {
			return nil, err
		}
		if err := directory.Delete(ctx, d.conn, user); err != nil {
			return nil, d.fault(noun(directory.Users), err)
		}
		return &DeleteUserResult{}, nil
	})
}
