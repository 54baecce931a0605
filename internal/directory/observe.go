package directory

import (
	"context"
	"errors"
	"strconv"

	"github.com/go-ldap/ldap/v3"
)

// Observer is told of each verb before a directory is asked. It may give the verb another context, and is called back with how it
// went. It sees neither names nor values.
type Observer func(ctx context.Context, verb string) (context.Context, func(error))

// Observe is the same connection, a Verifier if it is one, that tells the observer what it is asked.
func Observe(conn Conn, observer Observer) Conn {
	seen := observed{conn, observer}
	if verifier, ok := conn.(Verifier); ok {
		return observedVerifier{seen, verifier}
	}
	return seen
}

// ResultName is how a verb's outcome is counted: LDAP's result as a number, "unknown" for a write of which nobody can say
// whether it happened, "unavailable" where the directory could not be asked.
func ResultName(err error) string {
	var refusal *ldap.Error
	switch {
	case err == nil:
		return "0"
	case errors.Is(err, ErrOutcomeUnknown):
		return "unknown"
	case errors.As(err, &refusal) && refusal.ResultCode < ldap.ErrorNetwork:
		return strconv.Itoa(int(refusal.ResultCode))
	}
	return "unavailable"
}

type observed struct {
	conn     Conn
	observer Observer
}

func (o observed) Search(ctx context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	ctx, end := o.observer(ctx, "search")
	result, err := o.conn.Search(ctx, request)
	end(err)
	return result, err
}

func (o observed) Add(ctx context.Context, request *ldap.AddRequest) error {
	ctx, end := o.observer(ctx, "add")
	err := o.conn.Add(ctx, request)
	end(err)
	return err
}

func (o observed) Modify(ctx context.Context, request *ldap.ModifyRequest) error {
	ctx, end := o.observer(ctx, "modify")
	err := o.conn.Modify(ctx, request)
	end(err)
	return err
}

func (o observed) ModifyDN(ctx context.Context, request *ldap.ModifyDNRequest) error {
	ctx, end := o.observer(ctx, "rename")
	err := o.conn.ModifyDN(ctx, request)
	end(err)
	return err
}

func (o observed) Delete(ctx context.Context, request *ldap.DelRequest) error {
	ctx, end := o.observer(ctx, "delete")
	err := o.conn.Delete(ctx, request)
	end(err)
	return err
}

type observedVerifier struct {
	observed
	verifier Verifier
}

// Verify is told as a bind that went as the first of its answers.
func (o observedVerifier) Verify(ctx context.Context, dn string, password []byte) []Verified {
	ctx, end := o.observer(ctx, "bind")
	all := o.verifier.Verify(ctx, dn, password)
	err := ErrUnavailable
	if len(all) > 0 {
		err = all[0].Err
	}
	end(err)
	return all
}

func (o observedVerifier) Login(ctx context.Context, dn string, password []byte) error {
	ctx, end := o.observer(ctx, "bind")
	err := o.verifier.Login(ctx, dn, password)
	end(err)
	return err
}
