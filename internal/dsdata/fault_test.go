package dsdata

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// failing is a directory that answers everything with an error.
type failing struct {
	directory.Conn

	err error
}

func (f failing) Search(context.Context, *ldap.SearchRequest) (*ldap.SearchResult, error) {
	return nil, f.err
}

func (f failing) Add(context.Context, *ldap.AddRequest) error { return f.err }

// TestFaults: what a directory says becomes the exception and the reason that the API has for it, and the cause stays for the
// log.
func TestFaults(t *testing.T) {
	refusal := func(code uint16, text string) error { return &ldap.Error{ResultCode: code, Err: errors.New(text)} }
	for _, c := range []struct {
		err          error
		code, reason string
	}{
		{fmt.Errorf("%w: %w", directory.ErrUnavailable, context.DeadlineExceeded), fault.DirectoryUnavailable, "DIRECTORY_TIMEOUT"},
		{refusal(ldap.LDAPResultTimeLimitExceeded, ""), fault.DirectoryUnavailable, "DIRECTORY_TIMEOUT"},
		{refusal(ldap.LDAPResultBusy, ""), fault.DirectoryUnavailable, "DIRECTORY_RESOURCES_EXCEEDED"},
		{refusal(ldap.LDAPResultAdminLimitExceeded, ""), fault.DirectoryUnavailable, "DIRECTORY_RESOURCES_EXCEEDED"},
		{fmt.Errorf("write: %w", store.ErrFull), fault.DirectoryUnavailable, "NO_DISK_SPACE"},
		{directory.ErrUnavailable, fault.DirectoryUnavailable, "INVALID_DIRECTORY_STATE"},
		{fmt.Errorf("%w: %w", directory.ErrOutcomeUnknown, directory.ErrUnavailable), fault.InternalServer, ""},
		{directory.ErrTooMany, fault.Validation, "LDAP_SIZE_LIMIT_EXCEEDED"},
		{refusal(ldap.LDAPResultEntryAlreadyExists, ""), fault.Conflict, ""},
		{refusal(ldap.LDAPResultConstraintViolation, "000021C8: AtrErr: the UPN is taken"), fault.Conflict, ""},
		{refusal(ldap.LDAPResultConstraintViolation, "00002081: one value"), fault.Validation, "INVALID_ATTRIBUTE_VALUE"},
		{refusal(ldap.LDAPResultInvalidAttributeSyntax, ""), fault.Validation, "INVALID_ATTRIBUTE_VALUE"},
		{refusal(ldap.LDAPResultUnwillingToPerform, ""), fault.Validation, "LDAP_UNSUPPORTED_OPERATION"},
		{refusal(ldap.LDAPResultInsufficientAccessRights, ""), fault.AccessDenied, "DIRECTORY_AUTH"},
		{refusal(ldap.LDAPResultNoSuchObject, ""), fault.AccessDenied, "DIRECTORY_AUTH"}, // the OU
	} {
		d := session{call: &operation.Call{}, id: "d-1234567890", conn: failing{err: c.err}, domain: directory.Domain{Kind: directory.MicrosoftAD, Name: "corp.example.com", NetBIOS: "CORP"}}
		_, err := directory.CreateUser(t.Context(), d.conn, d.domain, "jane", nil)
		var f *fault.Error
		if !errors.As(d.fault("User", err), &f) || f.Code != c.code || f.Reason != c.reason || f.Err == nil {
			t.Errorf("%v: got %+v, want %s %s", c.err, f, c.code, c.reason)
		}
		if unknown := c.code == fault.InternalServer; f != nil && f.OutcomeUnknown != unknown {
			t.Errorf("%v: the outcome is unknown: %v", c.err, f.OutcomeUnknown)
		}
	}
	// A failure of ours has no exception: the gateway hides it.
	var f *fault.Error
	if errors.As((session{}).fault("User", errors.New("a bug")), &f) {
		t.Errorf("got %+v", f)
	}
}
