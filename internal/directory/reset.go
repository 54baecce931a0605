package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
	// Bases are the DNs below which users may be reset; none: all that AWS's rules leave.
	Bases []string
	// LeaveOut is the attributes that the service account may not write, and that the operator has agreed to leave as they
	// are: userAccountControl, lockoutTime, pwdLastSet.
	LeaveOut []string
	// History holds the new password against those that the user had, by AD's policy hints control.
	History bool
	// MustChange makes the user choose another password at the next logon.
	MustChange bool
}

const maxAttempts = 5

// ResetPassword gives the person of that account name a new password and enables the account (API reference,
// ResetUserPassword), in one change that happens as a whole or not at all. A change of which it is not known whether it
// happened is repeated: the same password can be set twice. It wraps ErrNoSuchUser, ErrProtected, ErrPassword,
// ErrUnstorable, ErrForbidden, ErrInsecure, ErrOutcomeUnknown or ErrUnavailable where one of these is the cause;
// ErrOutcomeUnknown if any attempt may have happened.
func ResetPassword(ctx context.Context, conn Conn, domain Domain, name string, password []byte, options ResetOptions) (User, error) {
	if bytes.IndexByte(password, 0) >= 0 {
		return User{}, ErrUnstorable
	}
	value := EncodePassword(password)
	defer clear(value)
	var unknown error
	for attempt := 1; ; attempt++ {
		user, err := reset(ctx, conn, domain, name, value, options)
		switch {
		case err == nil:
			return user, nil
		case attempt == maxAttempts || ctx.Err() != nil:
		case errors.Is(err, ErrOutcomeUnknown):
			unknown = err
			continue
		// Somebody changed the account's flags in between: look again, and change only what must change.
		case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchAttribute):
			continue
		}
		// The password that was refused just now was not set before either; all else leaves the first doubt.
		if unknown != nil && !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrPassword) {
			err = fmt.Errorf("%w; then: %w", unknown, err)
		}
		return user, err
	}
}

func reset(ctx context.Context, conn Conn, domain Domain, name string, value []byte, options ResetOptions) (User, error) {
	user, err := FindUser(ctx, conn, domain, name)
	if err != nil {
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return User{}, err // the whole domain is missing, not a user
		}
		return User{}, explain(err)
	}
	if err := Protect(ctx, conn, domain, user); err != nil {
		return user, explain(err)
	}
	if err := within(options.Bases, user); err != nil {
		return user, err
	}
	if options.History {
		if err := SupportsHistory(ctx, conn); err != nil {
			return user, err
		}
	}
	request := resetRequest(user, value, options)
	err = explain(conn.Modify(ctx, request))
	if errors.Is(err, ErrForbidden) {
		err = fmt.Errorf("%w; it lacks: %s", err, missingRights(ctx, conn, request))
	}
	return user, err
}

// within holds a user against the operator's own bounds.
func within(bases []string, user User) error {
	if len(bases) == 0 {
		return nil
	}
	dn, err := ldap.ParseDN(user.DN)
	if err != nil {
		return fmt.Errorf("%s: %w", user.DN, err)
	}
	for _, base := range bases {
		parent, err := ldap.ParseDN(base)
		if err != nil {
			return fmt.Errorf("%s: %w", base, err)
		}
		if parent.AncestorOfFold(dn) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is below none of %s", ErrConfined, user.DN, strings.Join(bases, " | "))
}

// policyHints is LDAP_SERVER_POLICY_HINTS_OID (MS-ADTS section 3.1.1.3.4.1.27), and its value the sequence of the flag 1.
var policyHints = ldap.NewControlString("1.2.840.113556.1.4.2239", true, "\x30\x03\x02\x01\x01")

// SupportsHistory asks the directory whether it knows AD's policy hints control; its error wraps ErrUnsupported if not. To ask
// is needed: Samba 4.17 takes a critical control that it does not know, and does nothing for it.
func SupportsHistory(ctx context.Context, conn Conn) error {
	entry, err := read(ctx, conn, "", "supportedControl")
	if err != nil {
		return explain(err)
	}
	if !slices.Contains(entry.GetAttributeValues("supportedControl"), policyHints.ControlType) {
		return fmt.Errorf("%w: %s (policy hints) is not in supportedControl", ErrUnsupported, policyHints.ControlType)
	}
	return nil
}

// resetRequest replaces the password and moves only those flags that must move: the old value of userAccountControl is
// named, so that the change fails rather than undo somebody else's. AD itself sets pwdLastSet to now.
func resetRequest(user User, value []byte, options ResetOptions) *ldap.ModifyRequest {
	request := ldap.NewModifyRequest(user.DN, nil)
	if options.History {
		request.Controls = append(request.Controls, policyHints)
	}
	request.Replace("unicodePwd", []string{string(value)})
	leaveOut := func(attribute string) bool {
		return slices.ContainsFunc(options.LeaveOut, func(each string) bool { return strings.EqualFold(each, attribute) })
	}
	control := user.Control &^ (AccountDisable | PasswordNotRequired)
	if control != user.Control && !leaveOut("userAccountControl") {
		request.Delete("userAccountControl", []string{formatControl(user.Control)})
		request.Add("userAccountControl", []string{formatControl(control)})
	}
	if options.Unlock && !leaveOut("lockoutTime") {
		request.Replace("lockoutTime", []string{"0"})
	}
	if options.MustChange && !leaveOut("pwdLastSet") {
		request.Replace("pwdLastSet", []string{"0"})
	}
	return request
}

// missingRights says which rights a refused reset would have needed: what the directory says that the account may write,
// and where it may write all of it, the right to reset the password itself.
func missingRights(ctx context.Context, conn Conn, request *ldap.ModifyRequest) string {
	entry, err := read(ctx, conn, request.DN, "allowedAttributesEffective")
	if err != nil {
		return "a right that can't be told: " + err.Error()
	}
	allowed := entry.GetAttributeValues("allowedAttributesEffective")
	var missing []string
	for _, change := range request.Changes {
		attribute := change.Modification.Type
		right := "the right to write " + attribute
		if attribute != "unicodePwd" && !slices.Contains(missing, right) && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, attribute) }) {
			missing = append(missing, right)
		}
	}
	if len(missing) == 0 {
		return `the extended right "Reset Password"`
	}
	return strings.Join(missing, ", ")
}

func formatControl(control UserAccountControl) string {
	return strconv.FormatInt(int64(int32(control)), 10)
}
