package ds

import (
	"context"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// aboutUser is what policies can know of the user whose password is to be reset. Of a user that does not exist, in a directory
// that the caller does not have, it is nothing: the caller is not told more than by a refusal.
func (s *Service) aboutUser(ctx context.Context, call *operation.Call, in *ResetUserPasswordRequest) (map[string][]string, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil || only(record, directory.SimpleAD, directory.MicrosoftAD) != nil {
		return nil, nil
	}
	conn, domain, err := s.reach(record)
	if err != nil {
		return nil, err
	}
	user, err := directory.FindWhereabouts(ctx, conn, domain, *in.UserName)
	if errors.Is(err, directory.ErrNoSuchUser) {
		return nil, nil
	}
	if err != nil {
		return nil, resetFault(domain, err)
	}
	return map[string][]string{operation.UserName: {user.Name}, operation.UserOU: user.Above, operation.UserGroups: user.Groups}, nil
}
