package directory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// answers says what a directory's refusal means: by the LDAP result (RFC 4511 section 4.1.9) and, where given, AD's
// extended code that the text begins with (MS-ERREF section 2.2). The first row that fits counts. What is in no row stays
// as it is, and its code goes to the log.
var answers = []struct {
	result  uint16
	code    string
	meaning error
}{
	// ERROR_PASSWORD_RESTRICTION. Samba and newer Windows answer with the first result, other Windows with the second.
	{ldap.LDAPResultConstraintViolation, "0000052D", ErrPassword},
	{ldap.LDAPResultUnwillingToPerform, "0000052D", ErrPassword},
	// ERROR_GEN_FAILURE and ERROR_DS_ILLEGAL_MOD_OPERATION: unicodePwd over a connection without TLS.
	{ldap.LDAPResultUnwillingToPerform, "0000001F", ErrInsecure},
	{ldap.LDAPResultUnwillingToPerform, "00002077", ErrInsecure},
	{ldap.LDAPResultStrongAuthRequired, "", ErrInsecure},
	{ldap.LDAPResultConfidentialityRequired, "", ErrInsecure},
	{ldap.LDAPResultInsufficientAccessRights, "", ErrForbidden},
	{ldap.LDAPResultNoSuchObject, "", ErrNoSuchUser},
	// ERROR_NOT_AUTHENTICATED: the connection is not bound any more.
	{ldap.LDAPResultOperationsError, "000004DC", ErrUnavailable},
	// A referral is what a read-only domain controller answers to a write.
	{ldap.LDAPResultReferral, "", ErrUnavailable},
	{ldap.LDAPResultTimeLimitExceeded, "", ErrLate},
	{ldap.LDAPResultBusy, "", ErrBusy},
	{ldap.LDAPResultAdminLimitExceeded, "", ErrBusy},
	{ldap.LDAPResultUnavailable, "", ErrUnavailable},
	// Samba's database can't be written: its disk is full, as a rule.
	{ldap.LDAPResultProtocolError, "00002021", ErrUnavailable},
	{ldap.LDAPResultUnavailableCriticalExtension, "", ErrUnsupported},
}

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
	for _, answer := range answers {
		if refusal.ResultCode == answer.result && strings.HasPrefix(strings.ToUpper(text), answer.code) {
			return fmt.Errorf("%w: LDAP result %d: %s", answer.meaning, refusal.ResultCode, text)
		}
	}
	return err
}
