package app

import (
	"context"

	"latchkey/internal/directory/embedded"
	"latchkey/internal/ldapserver"
)

// ldapBackend is the embedded engine as the LDAP server wants it.
type ldapBackend struct{ engine *embedded.Engine }

func (b ldapBackend) Anonymous(ldapserver.Peer) ldapserver.Session { return b.engine.Anonymous() }

func (b ldapBackend) Bind(ctx context.Context, peer ldapserver.Peer, name string, password []byte) (ldapserver.Session, error) {
	session, err := b.engine.Bind(ctx, peer.Secure, name, password)
	if err != nil {
		return nil, err
	}
	return session, nil
}
