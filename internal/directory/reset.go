package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// ErrUnstorable says that a password has a character that no directory can keep.
var ErrUnstorable = errors.New("the password contains the character U+0000")

// ResetOptions are the choices that AWS leaves open.
type ResetOptions struct {
	// Unlock clears lockoutTime, so that a locked-out user can log in with the new password at once.
	Unlock bool
}

const maxAttempts = 5

// ResetPassword gives the person of that account name a new password and enables the account (API reference,
// ResetUserPassword), in one change that happens as a whole or not at all. It wraps ErrNoSuchUser, ErrProtected,
// ErrPassword, ErrUnstorable, ErrOutcomeUnknown or ErrUnavailable where one of these is the cause.
func ResetPassword(ctx context.Context, conn Conn, domain Domain, name string, password []byte, options ResetOptions) (User, error) {
	if bytes.IndexByte(password, 0) >= 0 {
		return User{}, ErrUnstorable
	}
	value := EncodePassword(password)
	defer clear(value)
	for attempt := 1; ; attempt++ {
		user, err := FindUser(ctx, conn, domain, name)
		if err != nil {
			return User{}, err
		}
		if err := Protect(ctx, conn, domain, user); err != nil {
			return user, err
		}
		err = conn.Modify(ctx, resetRequest(user, value, options))
		// Somebody changed the account's flags in between: look again, and change only what must change.
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchAttribute) && attempt < maxAttempts {
			continue
		}
		return user, explain(err)
	}
}

// resetRequest replaces the password and moves only those flags that must move: the old value of userAccountControl is
// named, so that the change fails rather than undo somebody else's.
func resetRequest(user User, value []byte, options ResetOptions) *ldap.ModifyRequest {
	request := ldap.NewModifyRequest(user.DN, nil)
	request.Replace("unicodePwd", []string{string(value)})
	if control := user.Control &^ (AccountDisable | PasswordNotRequired); control != user.Control {
		request.Delete("userAccountControl", []string{formatControl(user.Control)})
		request.Add("userAccountControl", []string{formatControl(control)})
	}
	if options.Unlock {
		request.Replace("lockoutTime", []string{"0"})
	}
	return request
}

func formatControl(control UserAccountControl) string {
	return strconv.FormatInt(int64(int32(control)), 10)
}

// restricted is ERROR_PASSWORD_RESTRICTION, AD's extended code for a password that its settings refuse.
const restricted = "0000052D"

// explain turns an engine's refusal into the error that callers look for.
func explain(err error) error {
	var refusal *ldap.Error
	if !errors.As(err, &refusal) {
		return err
	}
	text := ""
	if refusal.Err != nil {
		text = refusal.Err.Error()
	}
	switch refusal.ResultCode {
	case ldap.LDAPResultConstraintViolation:
		if strings.HasPrefix(strings.ToUpper(text), restricted) {
			return fmt.Errorf("%w: %s", ErrPassword, text)
		}
	case ldap.LDAPResultNoSuchObject:
		return fmt.Errorf("%w: %s", ErrNoSuchUser, text)
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
		return fmt.Errorf("%w: %s", ErrUnavailable, text)
	}
	return err
}
