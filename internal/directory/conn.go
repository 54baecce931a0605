// Package directory is what Active Directory means, written once in LDAP's terms: how a user is found, how a password is
// set, who is protected, what a new domain contains. It works on any engine that offers a Conn.
package directory

import (
	"context"

	"github.com/go-ldap/ldap/v3"
)

// Conn is a directory that speaks AD's LDAP: the seam between AD's meaning and the engine that holds the entries. The
// structs are go-ldap's own. A refusal is an *ldap.Error whose ResultCode is the LDAP result (RFC 4511 section 4.1.9) and
// whose text begins with AD's eight-digit extended code where AD has one. Any other error means that the engine could not
// be asked; errors.Is(err, ErrOutcomeUnknown) marks a write of which nobody can say whether it happened.
//
// A Conn is safe for concurrent use. Every call obeys the context's deadline.
type Conn interface {
	// Search answers with entries in an order that is stable for paging (controls in the request, RFC 2696). On
	// sizeLimitExceeded or timeLimitExceeded the result holds what was found, beside the error.
	Search(ctx context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error)
	Add(ctx context.Context, request *ldap.AddRequest) error
	// Modify applies all changes of the request or none.
	Modify(ctx context.Context, request *ldap.ModifyRequest) error
	ModifyDN(ctx context.Context, request *ldap.ModifyDNRequest) error
	Delete(ctx context.Context, request *ldap.DelRequest) error
}
