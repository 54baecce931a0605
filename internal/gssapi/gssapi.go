// Package gssapi is the accepting side of the GSS-API's Kerberos mechanism (RFC 4121) and of its negotiation (RFC 4178): it
// proves who an initiator is, proves the acceptor to it, and wraps what the two say from then on. It knows the encryption types
// of RFC 3962 and no others.
package gssapi

import (
	"errors"
	"fmt"
	"time"
)

// Flags are what an initiator asks of a context (RFC 4121 section 4.1.1.1).
type Flags uint32

// The flags that mean something here.
const (
	Mutual          Flags = 2
	Replay          Flags = 4
	Sequence        Flags = 8
	Confidentiality Flags = 16
	Integrity       Flags = 32
	dceStyle        Flags = 0x1000 // MS-KILE section 3.2.5.2: another form of messages
)

// Ordered says that the initiator keeps to the order of tokens, so that none can be repeated.
func (f Flags) Ordered() bool { return f&(Replay|Sequence) != 0 }

// Skew is how far clocks may be apart (RFC 4120 section 1.6).
const Skew = 5 * time.Minute

// Key is a long-term key of the acceptor's. Owner says whose it is, to who gave it.
type Key struct {
	Owner string
	Type  int32
	Value []byte
}

// Acceptor accepts contexts. It is safe for concurrent use.
type Acceptor struct {
	// Keys are those that a ticket for a service of a realm can be sealed with. They are wiped afterwards.
	Keys func(realm string, service []string) []Key
	Now  func() time.Time

	replays replays
}

// Initiator is who a ticket says has been proved.
type Initiator struct {
	// Owner is that of the key that the ticket was sealed with.
	Owner string
	Realm string
	Name  []string
	// Enterprise says that the name is a user principal name (RFC 6806 section 5).
	Enterprise bool
}

var (
	// ErrToken says that a token can't be read, or is of a mechanism that is not spoken.
	ErrToken = errors.New("the token is not one of Kerberos")
	// ErrRefused says that a token proves nothing. The text around it says why.
	ErrRefused = errors.New("the token is refused")
)

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}
