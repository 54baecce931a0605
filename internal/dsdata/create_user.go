package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// createUser makes a user in the customer's OU: disabled, and without a password until ds ResetUserPassword sets one (API
// reference, CreateUser).
func (s *Service) createUser(ctx context.Context, call *operation.Call, in *CreateUserRequest) (*CreateUserResult, error) {
	d, err := s.open(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := accountName(*in.SAMAccountName); err != nil {
		return nil, err
	}
	values, err := changes(directory.Users, in.OtherAttributes, map[string]*string{"mail": in.EmailAddress, "givenName": in.GivenName, "sn": in.Surname})
	if err != nil {
		return nil, err
	}
	return once(ctx, d, in.ClientToken, in, func() (*CreateUserResult, error) {
		user, err := directory.CreateUser(ctx, d.conn, d.domain, *in.SAMAccountName, values)
		if err != nil {
			return nil, d.fault(noun(directory.Users), err)
		}
		call.Subject = user.SID.String()
		return &CreateUserResult{DirectoryId: in.DirectoryId, SAMAccountName: &user.Name, SID: &call.Subject}, nil
	})
}
