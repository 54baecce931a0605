package directory

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/go-ldap/ldap/v3"
)

// Verifier is a Conn that can prove a password by a login.
type Verifier interface {
	// Verify binds with the password on every domain controller.
	Verify(ctx context.Context, dn string, password []byte) []Verified
	// Login binds with the password on one domain controller: a wrong one counts once towards a lockout. Its error is the
	// refusal, or wraps ErrUnavailable where none can be asked.
	Login(ctx context.Context, dn string, password []byte) error
}

// Verified is what a domain controller said to a login; Err is nil where it took the password.
type Verified struct {
	Controller string
	Err        error
}

// FirstAnswer is the answer to a login of the first of the domain controllers that gives one, as Verifier's Login has it.
func FirstAnswer(controllers []string, login func(controller string) error) error {
	if len(controllers) == 0 {
		return fmt.Errorf("%w: no domain controller works", ErrUnavailable)
	}
	var errs []error
	for _, controller := range controllers {
		err := login(controller)
		var answer *ldap.Error
		if err == nil || errors.As(err, &answer) && answer.ResultCode < ldap.ErrorNetwork {
			return err
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("%w: no domain controller can be asked: %w", ErrUnavailable, errors.Join(errs...))
}

var dataCode = regexp.MustCompile(`\bdata ([0-9a-f]+)`)

// DataCode is AD's reason for a refused bind, in lower-case hexadecimal digits (MS-ERREF section 2.2); "" if it gives none.
func DataCode(err error) string {
	var refusal *ldap.Error
	if !errors.As(err, &refusal) || refusal.Err == nil {
		return ""
	}
	code := dataCode.FindStringSubmatch(refusal.Err.Error())
	if code == nil {
		return ""
	}
	return code[1]
}

// RightPassword says whether the answer to a bind proves that the password is the account's. AD tells why an account may
// not log in only to who knows the password: 530 not at this hour, 531 not from this computer, 532 password expired, 533
// disabled, 701 account expired, 773 password must be changed (MS-ERREF section 2.2, ERROR_INVALID_LOGON_HOURS and after).
func RightPassword(err error) bool {
	if err == nil {
		return true
	}
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		return false
	}
	switch DataCode(err) {
	case "530", "531", "532", "533", "701", "773":
		return true
	}
	return false
}
