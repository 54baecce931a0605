package ds

import (
	"context"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// resetUserPassword gives a user a new password and enables the account (API reference, ResetUserPassword).
func (s *Service) resetUserPassword(ctx context.Context, call *operation.Call, in *ResetUserPasswordRequest) (*ResetUserPasswordResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	conn, domain, err := s.reach(record)
	if err != nil {
		return nil, err
	}
	_, err = directory.ResetPassword(ctx, conn, domain, *in.UserName, in.NewPassword.Bytes(), directory.ResetOptions{Unlock: s.Unlock})
	if err != nil {
		return nil, resetFault(domain, err)
	}
	return &ResetUserPasswordResult{}, nil
}

// resetFault is the exception for each reason why a reset did not happen. Which one AWS gives for a protected user is not
// documented.
func resetFault(domain directory.Domain, err error) error {
	for _, row := range []struct {
		cause   error
		code    string
		message string
	}{
		{directory.ErrNoSuchUser, fault.UserDoesNotExist, "The user provided a username that does not exist in your directory."},
		{directory.ErrPassword, fault.InvalidPassword, "The new password provided by the user does not meet the password complexity requirements defined in your directory."},
		{directory.ErrUnstorable, fault.Client, "The new password contains a character that a directory cannot store (U+0000)."},
		{directory.ErrProtected, fault.UnsupportedOperation, protectedMessage(domain)},
		{directory.ErrUnavailable, fault.DirectoryUnavailable, "The specified directory is unavailable."},
	} {
		if errors.Is(err, row.cause) {
			return fault.New(row.code, row.message).Because(err)
		}
	}
	if errors.Is(err, directory.ErrOutcomeUnknown) {
		unknown := fault.New(fault.Service, "It is not known whether the password was reset. Repeat the request with the same password.").Because(err)
		unknown.OutcomeUnknown = true
		return unknown
	}
	return err
}

func protectedMessage(domain directory.Domain) string {
	if domain.Kind == directory.MicrosoftAD {
		return "The operation is not supported. The password can be reset only for users in the " + domain.NetBIOS + " organizational unit."
	}
	return "The operation is not supported. The password of a member of the Domain Admins or Enterprise Admins group cannot be reset, except for the Administrator user."
}
