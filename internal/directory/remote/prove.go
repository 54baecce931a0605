package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// proveLimit is how long one domain controller may take to prove itself and the account.
const proveLimit = 5 * time.Second

// Prove logs in at the first domain controller that can be reached, and reads the domain's SID. A password that is refused is
// tried only once, as each time counts towards a lockout. Its errors wrap ErrDiscovery, ErrUnreachable, ErrTLS, ErrBind or
// ErrCredentials.
func Prove(ctx context.Context, d directory.Domain, s Settings) (directory.SID, error) {
	var errs []error
	urls, err := s.Controllers(ctx, d.Name)
	if err != nil {
		errs = append(errs, fmt.Errorf("%w: %w", ErrDiscovery, err))
	}
	for _, url := range urls {
		sid, err := s.prove(ctx, url, d.BaseDN())
		if err == nil {
			return sid, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", url, err))
		if errors.Is(err, ErrBind) || errors.Is(err, ErrCredentials) || ctx.Err() != nil {
			break
		}
	}
	return "", errors.Join(errs...)
}

func (s Settings) prove(ctx context.Context, url, base string) (directory.SID, error) {
	ctx, cancel := context.WithTimeout(ctx, proveLimit)
	defer cancel()
	conn, err := Dial(ctx, url, s)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	conn.SetTimeout(proveLimit)
	if err := Bind(ctx, conn, s); err != nil {
		return "", err
	}
	found, err := conn.Search(ldap.NewSearchRequest(base, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"objectSid"}, nil))
	if err != nil {
		return "", fmt.Errorf("%w: %s can't be read: %w", ErrBind, base, err)
	}
	for _, entry := range found.Entries {
		if sid := directory.SID(entry.GetRawAttributeValue("objectSid")); sid.Valid() {
			return sid, nil
		}
	}
	return "", fmt.Errorf("%w: the account may not read the objectSid of %s", ErrBind, base)
}
