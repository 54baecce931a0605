package embedded

import (
	"errors"
	"strings"
)

// MachineKeys are the keys of the domain controllers of a realm's directories, those that a ticket for one of their services can
// be sealed with; none for a service of somebody else's. They are wiped by whoever asked for them.
func (e *Engine) MachineKeys(realm string, service []string) (keys []*Keys) {
	for _, id := range e.Realm(realm) {
		p, err := e.Service(id, service)
		switch {
		case err == nil && strings.EqualFold(p.Account, machineName+"$"):
			keys = append(keys, p.Keys)
		case err == nil:
			p.Wipe()
		case !errors.Is(err, ErrNoKeys):
			e.logger.Error("the keys of a domain controller can't be had", "directory", id, "err", err)
		}
	}
	return keys
}

// BindKerberos is a login by a ticket of a directory: the name in it is looked up, and held against what bars an account.
// Whatever else the ticket says is not looked at. enterprise says that the name is a user principal name, identity is what the
// client wants to act as: "", or the account itself. secure says that nobody can read the connection. A refusal is an
// *ldap.Error with AD's text.
func (e *Engine) BindKerberos(id, realm, name string, enterprise bool, identity string, secure bool) (*Session, error) {
	t, err := e.tree(id)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(realm, t.domain.Realm()) {
		return nil, refuseLogin(dataNoSuchUser)
	}
	found, err := e.Clients(realm, name, enterprise)
	for _, p := range found {
		p.Wipe()
	}
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		if p.Domain.ID != id {
			continue
		}
		session := &Session{engine: e, tree: t, user: p.at.node.guid, secure: secure}
		refusal := e.admit(p.at, session, identity)
		e.observeLogin(p.at, loginError(refusal))
		if refusal != nil {
			return nil, refusal
		}
		return session, nil
	}
	return nil, refuseLogin(dataNoSuchUser)
}

// mechanisms is supportedSASLMechanisms of the rootDSE: those that can work. certified says that the client has shown a
// certificate.
func (e *Engine) mechanisms(certified bool) (all []string) {
	kerberos, external := false, false
	e.each(func(t *tree) bool {
		t.mu.RLock()
		kerberos = kerberos || t.account(machineName+"$") != nil
		t.mu.RUnlock()
		roots, _ := e.authorities(t)
		external = external || roots != nil
		return !(kerberos && external)
	})
	if kerberos && e.Kerberos {
		all = append(all, "GSSAPI", "GSS-SPNEGO")
	}
	if external && certified {
		all = append(all, "EXTERNAL")
	}
	return all
}
