package app

import (
	"context"
	"strings"

	"latchkey/internal/directory/embedded"
	"latchkey/internal/gssapi"
	"latchkey/internal/keytab"
	"latchkey/internal/ldapserver"
)

// ldapBackend is the embedded engine as the LDAP server wants it.
type ldapBackend struct{ engine *embedded.Engine }

func (b ldapBackend) Anonymous(peer ldapserver.Peer) ldapserver.Session {
	return b.engine.Anonymous(len(peer.Certificates) > 0)
}

func (b ldapBackend) Bind(ctx context.Context, peer ldapserver.Peer, name string, password []byte) (ldapserver.Session, error) {
	session, err := b.engine.Bind(ctx, peer.Secure, name, password)
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (b ldapBackend) External(_ context.Context, peer ldapserver.Peer, identity string) (ldapserver.Session, error) {
	session, err := b.engine.BindCertificate(peer.Certificates, identity)
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (b ldapBackend) Keys(realm string, service []string) (keys []gssapi.Key) {
	for _, machine := range b.engine.MachineKeys(realm, service) {
		owner := machine.Domain.ID
		keys = append(keys, gssapi.Key{Owner: owner, Type: keytab.AES256, Value: machine.AES256}, gssapi.Key{Owner: owner, Type: keytab.AES128, Value: machine.AES128})
		clear(machine.Former)
	}
	return keys
}

func (b ldapBackend) Kerberos(_ context.Context, peer ldapserver.Peer, initiator gssapi.Initiator, identity string) (ldapserver.Session, error) {
	session, err := b.engine.BindKerberos(initiator.Owner, initiator.Realm, strings.Join(initiator.Name, "/"), initiator.Enterprise, identity, peer.Secure)
	if err != nil {
		return nil, err
	}
	return session, nil
}
