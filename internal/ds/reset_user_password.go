package ds

import (
	"context"
	"errors"
	"strings"

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
	if err := only(record, directory.SimpleAD, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	conn, domain, err := s.reach(record)
	if err != nil {
		return nil, err
	}
	user, err := directory.ResetPassword(ctx, conn, domain, *in.UserName, in.NewPassword.Bytes(), directory.ResetOptions{
		Unlock: s.Unlock, Bases: record.Reset.Bases, LeaveOut: record.Reset.LeaveOut, History: record.Reset.History, MustChange: record.Reset.MustChange,
	})
	if err != nil {
		return nil, resetFault(domain, err)
	}
	if record.Reset.ReadBack {
		if err := s.readBack(ctx, call, record.ID, conn, user, in.NewPassword.Bytes()); err != nil {
			return nil, err
		}
	}
	return &ResetUserPasswordResult{}, nil
}

// readBack proves a new password by logins. One domain controller that takes it is enough: the others have it once they
// have replicated.
func (s *Service) readBack(ctx context.Context, call *operation.Call, id string, conn directory.Conn, user directory.User, password []byte) error {
	verifier, ok := conn.(directory.Verifier)
	if !ok {
		return nil
	}
	var have, lack []string
	for _, v := range verifier.Verify(ctx, user.DN, password) {
		if directory.RightPassword(v.Err) {
			have = append(have, v.Controller)
			continue
		}
		lack = append(lack, v.Controller+": "+v.Err.Error())
	}
	s.Logger.InfoContext(ctx, "a reset was read back", "requestId", call.RequestID, "directory", id, "user", user.DN, "have", have, "lack", lack)
	if len(have) > 0 {
		return nil
	}
	return fault.New(fault.Service, "The password was reset, and no domain controller could be asked to prove it. Repeat the request with the same password.").
		Because(errors.New(strings.Join(lack, "; "))).Unknown()
}

// resetFault is the exception for each reason why a reset did not happen. Which one AWS gives for a protected user is not
// documented.
func resetFault(domain directory.Domain, err error) error {
	if errors.Is(err, directory.ErrOutcomeUnknown) {
		code := fault.Service
		if errors.Is(err, directory.ErrUnavailable) {
			code = fault.DirectoryUnavailable
		}
		return fault.New(code, "It is not known whether the password was reset. Repeat the request with the same password.").Because(err).Unknown()
	}
	return tell(err, []cause{
		{directory.ErrNoSuchUser, fault.UserDoesNotExist, "The user provided a username that does not exist in your directory."},
		{directory.ErrPassword, fault.InvalidPassword, "The new password provided by the user does not meet the password complexity requirements defined in your directory."},
		{directory.ErrUnstorable, fault.Client, "The new password contains a character that a directory cannot store (U+0000)."},
		{directory.ErrConfined, fault.UnsupportedOperation, "The operation is not supported. The user is outside of the organizational units in which passwords are reset."},
		{directory.ErrProtected, fault.UnsupportedOperation, protectedMessage(domain)},
		{directory.ErrUnavailable, fault.DirectoryUnavailable, "The specified directory is unavailable."},
		{directory.ErrForbidden, fault.Client, "The account that the service uses in the directory may not reset this user's password."},
		{directory.ErrInsecure, fault.Client, "The directory takes passwords over a protected connection only."},
		{directory.ErrUnsupported, fault.Client, "The directory does not support an option that is set for its resets."},
	})
}

func protectedMessage(domain directory.Domain) string {
	if domain.Kind == directory.MicrosoftAD {
		return "The operation is not supported. The password can be reset only for users in the " + domain.NetBIOS + " organizational unit."
	}
	return "The operation is not supported. The password of a member of the Domain Admins or Enterprise Admins group cannot be reset, except for the Administrator user."
}
