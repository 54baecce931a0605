package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

type told string

// answering answers everything with err, if it is told of in the context.
type answering struct{ err error }

func (a answering) answer(ctx context.Context, verb string) error {
	if ctx.Value(told("verb")) != verb {
		return fmt.Errorf("the context of %s is not the observer's", verb)
	}
	return a.err
}

func (a answering) Search(ctx context.Context, _ *ldap.SearchRequest) (*ldap.SearchResult, error) {
	return &ldap.SearchResult{Referrals: []string{"partial"}}, a.answer(ctx, "search")
}

func (a answering) Add(ctx context.Context, _ *ldap.AddRequest) error { return a.answer(ctx, "add") }

func (a answering) Modify(ctx context.Context, _ *ldap.ModifyRequest) error {
	return a.answer(ctx, "modify")
}

func (a answering) ModifyDN(ctx context.Context, _ *ldap.ModifyDNRequest) error {
	return a.answer(ctx, "rename")
}

func (a answering) Delete(ctx context.Context, _ *ldap.DelRequest) error {
	return a.answer(ctx, "delete")
}

type verifying struct{ answering }

func (v verifying) Verify(ctx context.Context, _ string, _ []byte) []Verified {
	return []Verified{{"dc1", v.answer(ctx, "bind")}, {"dc2", nil}}
}

func (v verifying) Login(ctx context.Context, _ string, _ []byte) error { return v.answer(ctx, "bind") }

func TestObserve(t *testing.T) {
	refusal := ldap.NewError(ldap.LDAPResultBusy, errors.New("busy"))
	var saw []string
	observer := func(ctx context.Context, verb string) (context.Context, func(error)) {
		return context.WithValue(ctx, told("verb"), verb), func(err error) { saw = append(saw, verb+" "+ResultName(err)) }
	}
	conn := Observe(verifying{answering{refusal}}, observer)
	ctx := t.Context()
	result, err := conn.Search(ctx, &ldap.SearchRequest{})
	if result == nil || len(result.Referrals) != 1 {
		t.Error("what was found beside the error is lost")
	}
	verifier, ok := conn.(Verifier)
	if !ok {
		t.Fatal("a Verifier is none any more")
	}
	for _, err := range []error{
		err, conn.Add(ctx, &ldap.AddRequest{}), conn.Modify(ctx, &ldap.ModifyRequest{}), conn.ModifyDN(ctx, &ldap.ModifyDNRequest{}),
		conn.Delete(ctx, &ldap.DelRequest{}), verifier.Login(ctx, "", nil),
	} {
		if !errors.Is(err, refusal) {
			t.Errorf("%v is not the directory's own error", err)
		}
	}
	if all := verifier.Verify(ctx, "", nil); len(all) != 2 || !errors.Is(all[0].Err, refusal) {
		t.Errorf("%v", all)
	}
	if want := []string{"search 51", "add 51", "modify 51", "rename 51", "delete 51", "bind 51", "bind 51"}; !slices.Equal(saw, want) {
		t.Errorf("the observer saw %q, want %q", saw, want)
	}
	if _, ok := Observe(answering{}, observer).(Verifier); ok {
		t.Error("what can't prove a password says that it can")
	}
}

func TestResultName(t *testing.T) {
	for want, err := range map[string]error{
		"0":           nil,
		"32":          fmt.Errorf("find: %w", ldap.NewError(ldap.LDAPResultNoSuchObject, errors.New("none"))),
		"unknown":     fmt.Errorf("%w: %w", ErrOutcomeUnknown, ldap.NewError(ldap.ErrorNetwork, errors.New("reset"))),
		"unavailable": ldap.NewError(ldap.ErrorNetwork, errors.New("reset")),
	} {
		if got := ResultName(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	if got := ResultName(errors.New("anything")); got != "unavailable" {
		t.Error(got)
	}
}
