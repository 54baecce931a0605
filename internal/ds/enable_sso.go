package ds

import (
	"context"
	"errors"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// enableSSO notes that users of the directory may sign on by what they logged in with (API reference, EnableSso).
func (s *Service) enableSSO(ctx context.Context, call *operation.Call, in *EnableSsoRequest) (*EnableSsoResult, error) {
	return &EnableSsoResult{}, s.turnSSO(ctx, call, *in.DirectoryId, in.UserName, in.Password, true)
}

// turnSSO turns single sign-on on or off. A user that the request names proves the password.
func (s *Service) turnSSO(ctx context.Context, call *operation.Call, id string, user *string, password wire.Secret, on bool) error {
	record, err := s.find(call, id)
	if err != nil {
		return err
	}
	if on && record.Alias == "" {
		return fault.Newf(fault.Client, "An alias is required before enabling SSO. DomainId=%s", id)
	}
	if user != nil || !password.IsZero() {
		if err := s.proveLogin(ctx, record, value(user), password.Bytes()); err != nil {
			return err
		}
	}
	_, err = s.update(ctx, id, func(record *store.Directory) error {
		record.SSO = on
		return nil
	})
	return err
}

// proveLogin refuses an account whose password this is not, and one that is no user's.
func (s *Service) proveLogin(ctx context.Context, record store.Directory, name string, password []byte) error {
	conn, domain, err := s.reach(record)
	if err != nil {
		return undeclaredUnavailable(err)
	}
	wrong := fault.New(fault.AuthenticationFailed, "The user name or the password is incorrect.")
	// LDAP takes an empty password for anonymous (RFC 4513 section 5.1.2).
	if name == "" || len(password) == 0 {
		return wrong
	}
	verifier, ok := conn.(directory.Verifier)
	if !ok {
		return fault.New(fault.Client, "The directory can't prove a password.")
	}
	found, err := directory.FindUser(ctx, conn, domain, name)
	refused := errors.Is(err, directory.ErrNoSuchUser)
	if err == nil {
		err = verifier.Login(ctx, found.DN, password)
		var refusal *ldap.Error
		refused = errors.As(err, &refusal)
	}
	switch {
	case errors.Is(err, directory.ErrUnavailable):
		return fault.New(fault.Client, "The directory can't be asked now.").Because(err)
	case refused:
		return wrong.Because(err)
	}
	return err
}

// undeclaredUnavailable is ClientException for the operations that do not declare DirectoryUnavailableException.
func undeclaredUnavailable(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Code == fault.DirectoryUnavailable {
		return fault.New(fault.Client, f.Message).Because(f.Err)
	}
	return err
}
