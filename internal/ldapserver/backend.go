package ldapserver

import (
	"context"
	"crypto/x509"

	"latchkey/internal/directory"
	"latchkey/internal/gssapi"
)

// Peer is what the tree may know of a connection.
type Peer struct {
	// Secure says that nobody can read the connection: it is under TLS, or sealed by SASL.
	Secure bool
	// Loopback says that the other end is on this machine.
	Loopback bool
	// Addr is the other end's address, for logs.
	Addr string
	// Certificates is what the other end showed in the TLS handshake, its own first. It has proved that it has the key; who
	// signed them is for the tree to say.
	Certificates []*x509.Certificate

	network string // that its failed logins are counted under
}

// Backend is the tree behind the server. Its methods are called from many connections at once.
//
// A refusal is an *ldap.Error, whose result code, matched DN and text go to the client as they are. The cause of any other
// error is logged and does not reach the client, who gets other (80) or, when the operation ran out of time, unavailable
// (52).
type Backend interface {
	// Anonymous is the identity of a connection that has not bound, or whose last bind was refused.
	Anonymous(peer Peer) Session
	// Bind proves a simple bind (RFC 4513 section 5.1.3). The name is passed on as it came: a DN, a UPN, NETBIOS\user or a
	// bare account name; neither it nor the password is empty. The password is wiped when Bind returns: keep no reference.
	Bind(ctx context.Context, peer Peer, name string, password []byte) (Session, error)
}

// ExternalBackend is a Backend that knows users by their certificates.
type ExternalBackend interface {
	Backend
	// External is a bind by the peer's certificates, of which there is one at least (RFC 4422 appendix A). identity is what the
	// client wants to act as; "" is the certificate's own.
	External(ctx context.Context, peer Peer, identity string) (Session, error)
}

// KerberosBackend is a Backend whose users log in by Kerberos.
type KerberosBackend interface {
	Backend
	// Keys are those that tickets for one of the server's names can be sealed with. They are wiped when the ticket is open.
	Keys(realm string, service []string) []gssapi.Key
	// Kerberos is a bind by a ticket, which has proved who the initiator is, and nothing of what it may. identity is what the
	// client wants to act as; "" is the initiator itself.
	Kerberos(ctx context.Context, peer Peer, initiator gssapi.Initiator, identity string) (Session, error)
}

// Session is an identity, bound or anonymous. It is safe for concurrent use, and its calls end soon after their context.
//
// Search gets the filter in RFC 4515's string form. Of the entries it returns, ByteValues are sent where an attribute has
// them and Values otherwise; SearchResult.Referrals become continuation references and SearchResult.Controls go with the
// search's last message. The request controls that reach a session are those of understandings that say something: paging, sorting
// and lists, extended DNs, permissive modify, policy hints and tree delete, as go-ldap's structs or those of package directory.
type Session interface {
	directory.Conn
	// Who is the authorization identity of RFC 4532, such as "u:CORP\\jane"; "" when anonymous.
	Who() string
	// PasswordModify is RFC 3062. An empty user is the session's own; an empty newPassword asks for a generated one, which
	// is returned, and wiped once it is sent. The passwords are wiped when PasswordModify returns: keep no reference.
	PasswordModify(ctx context.Context, user string, oldPassword, newPassword []byte) (generated []byte, err error)
}
