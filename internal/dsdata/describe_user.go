package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// describeUser shows a user, with the other attributes that are named (API reference, DescribeUser).
func (s *Service) describeUser(ctx context.Context, call *operation.Call, in *DescribeUserRequest) (*DescribeUserResult, error) {
	d, err := s.open(call, *in.DirectoryId, in.Realm)
	if err != nil {
		return nil, err
	}
	other, err := named(directory.Users, in.OtherAttributes)
	if err != nil {
		return nil, err
	}
	found, err := d.find(ctx, directory.Users, *in.SAMAccountName, append(ldapNames(other), userMembers...)...)
	if err != nil {
		return nil, err
	}
	user := userOf(found, other)
	return &DescribeUserResult{
		DirectoryId: in.DirectoryId, DistinguishedName: user.DistinguishedName, EmailAddress: user.EmailAddress, Enabled: user.Enabled,
		GivenName: user.GivenName, OtherAttributes: user.OtherAttributes, Realm: &d.domain.Name, SAMAccountName: user.SAMAccountName, SID: user.SID,
		Surname: user.Surname, UserPrincipalName: user.UserPrincipalName,
	}, nil
}
