package directory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
)

// one is a directory of one user, which answers changes as the test says.
type one struct {
	sid      directory.SID
	control  string
	controls []string // supportedControl
	allowed  []string // allowedAttributesEffective
	answers  []error  // of one Modify after the other; nothing more is a success
	changes  []*ldap.ModifyRequest
}

const janeDN = "CN=Jane,OU=Sales,DC=corp,DC=example,DC=com"

func (o *one) Search(_ context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	if r.BaseDN == "" {
		return &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry("", map[string][]string{"supportedControl": o.controls})}}, nil
	}
	return &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry(janeDN, map[string][]string{
		"sAMAccountName": {"jane"}, "userAccountControl": {o.control}, "primaryGroupID": {"513"}, "objectClass": {"top", "person", "user"},
		"objectSid": {string(o.sid.Child(1100))}, "tokenGroups": {string(o.sid.Child(513))}, "allowedAttributesEffective": o.allowed,
	})}}, nil
}

func (o *one) Modify(_ context.Context, r *ldap.ModifyRequest) error {
	o.changes = append(o.changes, r)
	if len(o.answers) < len(o.changes) {
		return nil
	}
	return o.answers[len(o.changes)-1]
}

func (*one) Add(context.Context, *ldap.AddRequest) error { return errors.New("not asked for") }
func (*one) ModifyDN(context.Context, *ldap.ModifyDNRequest) error {
	return errors.New("not asked for")
}
func (*one) Delete(context.Context, *ldap.DelRequest) error { return errors.New("not asked for") }

func (o *one) reset(t *testing.T, options directory.ResetOptions) error {
	t.Helper()
	o.sid = sid(t, "S-1-5-21-1-2-3")
	domain := corp
	domain.SID = o.sid
	_, err := directory.ResetPassword(t.Context(), o, domain, "jane", []byte("Summer-Rain-2026"), options)
	return err
}

// changed is what the last change replaces, adds and deletes, but for the password itself.
func (o *one) changed() []string {
	var all []string
	for _, c := range o.changes[len(o.changes)-1].Changes {
		values := strings.Join(c.Modification.Vals, " ")
		if c.Modification.Type == "unicodePwd" {
			values = "…"
		}
		all = append(all, fmt.Sprintf("%d %s %s", c.Operation, c.Modification.Type, values))
	}
	return all
}

func TestWhatAResetWrites(t *testing.T) {
	for name, c := range map[string]struct {
		control string
		options directory.ResetOptions
		want    []string
	}{
		"an enabled user":        {"512", directory.ResetOptions{}, []string{"2 unicodePwd …"}},
		"unlocked":               {"512", directory.ResetOptions{Unlock: true}, []string{"2 unicodePwd …", "2 lockoutTime 0"}},
		"a disabled user":        {"66050", directory.ResetOptions{}, []string{"2 unicodePwd …", "1 userAccountControl 66050", "0 userAccountControl 66048"}},
		"to be changed":          {"512", directory.ResetOptions{MustChange: true}, []string{"2 unicodePwd …", "2 pwdLastSet 0"}},
		"left out":               {"514", directory.ResetOptions{Unlock: true, MustChange: true, LeaveOut: []string{"LOCKOUTTIME", "userAccountControl", "pwdLastSet"}}, []string{"2 unicodePwd …"}},
		"below one of the bases": {"512", directory.ResetOptions{Bases: []string{"OU=Other,DC=corp,DC=example,DC=com", "ou=sales,dc=corp,dc=example,dc=com"}}, []string{"2 unicodePwd …"}},
	} {
		o := &one{control: c.control}
		if err := o.reset(t, c.options); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, o.changed()); diff != "" || len(o.changes) != 1 {
			t.Errorf("%s: %s", name, diff)
		}
	}
	o := &one{control: "512"}
	if err := o.reset(t, directory.ResetOptions{Bases: []string{"OU=Other,DC=corp,DC=example,DC=com"}}); !errors.Is(err, directory.ErrProtected) || len(o.changes) != 0 {
		t.Errorf("below none of the bases: %v", err)
	}
}

// A control that the directory does not name may be ignored by it.
func TestPasswordHistory(t *testing.T) {
	const hints = "1.2.840.113556.1.4.2239"
	o := &one{control: "512", controls: []string{"1.2.3", hints}}
	if err := o.reset(t, directory.ResetOptions{History: true}); err != nil || ldap.FindControl(o.changes[0].Controls, hints) == nil {
		t.Errorf("%v", err)
	}
	o = &one{control: "512", controls: []string{"1.2.3"}}
	if err := o.reset(t, directory.ResetOptions{History: true}); !errors.Is(err, directory.ErrUnsupported) || len(o.changes) != 0 {
		t.Errorf("%v", err)
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		result uint16
		text   string
		want   error // nil: none of ours, and the code stays in the text
	}{
		"Samba: too short":      {19, "0000052D: Constraint violation - check_password_restrictions: the password is too short.", directory.ErrPassword},
		"Windows: too short":    {19, "0000052D: AtrErr: DSID-03191083, #1: problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)", directory.ErrPassword},
		"Windows: won't":        {53, "0000052d: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0", directory.ErrPassword},
		"without TLS":           {53, "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0", directory.ErrInsecure},
		"the wrong port":        {53, "00002077: SvcErr: DSID-03190F4C, problem 5003 (WILL_NOT_PERFORM), data 0", directory.ErrInsecure},
		"a bind without TLS":    {8, "BindSimple: Transport encryption required.", directory.ErrInsecure},
		"confidentiality":       {13, "", directory.ErrInsecure},
		"Samba: not allowed":    {50, "error in module acl: insufficient access rights", directory.ErrForbidden},
		"Windows: not allowed":  {50, "00000005: SecErr: DSID-031A1190, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0", directory.ErrForbidden},
		"gone meanwhile":        {32, "00002030: No such Base DN", directory.ErrNoSuchUser},
		"not bound any more":    {1, "000004DC: LdapErr: DSID-0C090A5C", directory.ErrUnavailable},
		"a read-only one":       {10, "0000202B: RefErr", directory.ErrUnavailable},
		"too slow":              {3, "", directory.ErrUnavailable},
		"busy":                  {51, "", directory.ErrUnavailable},
		"unavailable":           {52, "", directory.ErrUnavailable},
		"a full disk":           {2, "00002021: prepare_commit error", directory.ErrUnavailable},
		"an unknown control":    {12, "", directory.ErrUnsupported},
		"another constraint":    {19, "00002081: something else", nil},
		"something else":        {80, "0000207D: UpdErr", nil},
		"unwilling, and no why": {53, "00002035: LdapErr", nil},
	} {
		o := &one{control: "512", answers: []error{&ldap.Error{ResultCode: c.result, Err: errors.New(c.text)}}}
		err := o.reset(t, directory.ResetOptions{})
		switch {
		case c.want != nil && !errors.Is(err, c.want):
			t.Errorf("%s: %v, want %v", name, err, c.want)
		case c.want == nil && (err == nil || !ldap.IsErrorWithCode(err, c.result)):
			t.Errorf("%s: %v", name, err)
		case !strings.Contains(err.Error(), c.text):
			t.Errorf("%s: what the directory said is lost: %v", name, err)
		}
		if len(o.changes) != 1 {
			t.Errorf("%s: it was sent %d times", name, len(o.changes))
		}
	}
}

// What the account lacks is named: an attribute, or the right to reset.
func TestMissingRights(t *testing.T) {
	for want, allowed := range map[string][]string{
		"the right to write userAccountControl":                                 {"lockoutTime"},
		"the right to write userAccountControl, the right to write lockoutTime": nil,
		`the extended right "Reset Password"`:                                   {"lockouttime", "USERACCOUNTCONTROL"},
	} {
		o := &one{control: "514", allowed: allowed, answers: []error{&ldap.Error{ResultCode: 50, Err: errors.New("no")}}}
		if err := o.reset(t, directory.ResetOptions{Unlock: true}); !errors.Is(err, directory.ErrForbidden) || !strings.HasSuffix(err.Error(), "it lacks: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A change of which nobody knows whether it happened is sent again, and the doubt stays until one is answered.
func TestUnknownOutcome(t *testing.T) {
	unknown := fmt.Errorf("%w: %w: the line is dead", directory.ErrOutcomeUnknown, directory.ErrUnavailable)
	gone := fmt.Errorf("%w: nobody answers", directory.ErrUnavailable)
	weak := &ldap.Error{ResultCode: 19, Err: errors.New("0000052D: no")}
	for name, c := range map[string]struct {
		answers []error
		sent    int
		want    []error // nil: a success
		not     error
	}{
		"then it works":             {[]error{unknown}, 2, nil, nil},
		"twice, then it works":      {[]error{unknown, unknown}, 3, nil, nil},
		"then nobody is there":      {[]error{unknown, gone}, 2, []error{directory.ErrOutcomeUnknown, directory.ErrUnavailable}, nil},
		"then the password is bad":  {[]error{unknown, weak}, 2, []error{directory.ErrPassword}, directory.ErrOutcomeUnknown},
		"for ever":                  {[]error{unknown, unknown, unknown, unknown, unknown, unknown}, 5, []error{directory.ErrOutcomeUnknown}, nil},
		"never, as nobody is there": {[]error{gone}, 1, []error{directory.ErrUnavailable}, directory.ErrOutcomeUnknown},
	} {
		o := &one{control: "512", answers: c.answers}
		err := o.reset(t, directory.ResetOptions{})
		if len(o.changes) != c.sent || (err == nil) != (c.want == nil) || c.not != nil && errors.Is(err, c.not) {
			t.Errorf("%s: sent %d times, %v", name, len(o.changes), err)
		}
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
}

func TestRightPassword(t *testing.T) {
	refused := func(text string) error { return &ldap.Error{ResultCode: 49, Err: errors.New(text)} }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, true},
		{refused("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 773, v1db1"), true},
		{refused("… data 533, v1db1"), true},
		{refused("… data 52e, v1db1"), false},
		{refused("… data 775, v1db1"), false},
		{refused("without a code"), false},
		{&ldap.Error{ResultCode: 50, Err: errors.New("data 773")}, false},
		{errors.New("data 773"), false},
	} {
		if got := directory.RightPassword(c.err); got != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}
