package embedded

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"latchkey/internal/directory"
)

// Principal is an account that takes part in Kerberos, as it was at the moment when it was looked up. Its keys are wiped by
// whoever looked it up. Those of an account without a password are empty.
type Principal struct {
	*Keys
	Control directory.UserAccountControl
	SID     directory.SID
	// Types is msDS-SupportedEncryptionTypes (MS-KILE section 2.2.7), 0 where the account has none.
	Types uint32
	// Service says that the account has service principal names.
	Service bool

	engine *Engine
	at     candidate
}

// Clients are the accounts that a client's name means in a realm (MS-KILE section 3.3.5.6.1): one, but for directories of the
// same name. enterprise says that the name is a user principal name (RFC 6806 section 5), which may be of another suffix than
// the realm.
func (e *Engine) Clients(realm, name string, enterprise bool) ([]*Principal, error) {
	return e.principals(e.Realm(realm), func(t *tree) *node {
		local, suffix, qualified := cutLast(name, "@")
		switch {
		case enterprise && qualified:
			if n := t.byUPN(name); n != nil {
				return n
			}
			if strings.EqualFold(suffix, t.domain.Name) || strings.EqualFold(suffix, t.domain.NetBIOS) {
				return t.accountOrMachine(local)
			}
			return nil
		default:
			if n := t.accountOrMachine(name); n != nil {
				return n
			}
			return t.byUPN(name + "@" + t.domain.Name)
		}
	})
}

// Service is the account that a service's name means in a directory: krbtgt for the directory's own tickets, otherwise by
// service principal name, or by the name of the account. The error wraps ErrNoKeys, or is ErrNotServed.
func (e *Engine) Service(id string, name []string) (*Principal, error) {
	found, err := e.principals([]string{id}, func(t *tree) *node {
		if len(name) == 2 && name[0] == "krbtgt" {
			if strings.EqualFold(name[1], t.domain.Name) || strings.EqualFold(name[1], t.domain.NetBIOS) {
				return t.krbtgt()
			}
			return nil
		}
		whole := strings.Join(name, "/")
		if local, suffix, qualified := cutLast(whole, "@"); qualified && strings.EqualFold(suffix, t.domain.Name) {
			whole = local // an enterprise name
		}
		if n := t.service(whole); n != nil || len(name) > 1 {
			return n
		}
		return t.accountOrMachine(whole)
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, ErrNoKeys
	}
	return found[0], nil
}

// Account is the account of a SID in a directory, as Service finds one by name.
func (e *Engine) Account(id string, sid directory.SID) (*Principal, error) {
	found, err := e.principals([]string{id}, func(t *tree) *node {
		if found := t.lookup("objectSid", string(sid)); len(found) == 1 && found[0].logsIn() {
			return found[0]
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, ErrNoKeys
	}
	return found[0], nil
}

// byUPN is the account of that userPrincipalName, or nil. The caller holds mu.
func (t *tree) byUPN(name string) *node {
	if found := t.lookup("userPrincipalName", foldText(name)); len(found) == 1 && found[0].logsIn() {
		return found[0]
	}
	return nil
}

// accountOrMachine finds a machine's account without its $, too. The caller holds mu.
func (t *tree) accountOrMachine(name string) *node {
	if n := t.account(name); n != nil {
		return n
	}
	return t.account(name + "$")
}

func (e *Engine) principals(ids []string, find func(*tree) *node) (found []*Principal, err error) {
	for _, id := range ids {
		t, err := e.tree(id)
		if err != nil {
			return found, err
		}
		t.mu.RLock()
		n := find(t)
		t.mu.RUnlock()
		if n == nil {
			continue
		}
		keys, err := e.keysOf(t, n)
		if err != nil {
			return found, err
		}
		types, _ := strconv.ParseUint(n.first("msDS-SupportedEncryptionTypes"), 10, 32)
		found = append(found, &Principal{
			Keys: keys, Control: n.control(), SID: n.sid(), Types: uint32(types), Service: len(n.attributes.of("servicePrincipalName")) > 0,
			engine: e, at: candidate{t, n},
		})
	}
	return found, nil
}

// Settle ends a login by Kerberos: right says whether the client has proved that it knows the key. Its errors, and what it
// counts and tells, are those of Bind.
func (p *Principal) Settle(ctx context.Context, right bool) error {
	return p.engine.guess(p.at, func() error { return p.engine.settle(ctx, p.at, right) })
}

// Standing is what Settle would say of a right password, of an account that need not prove that it knows one: nothing is counted.
func (p *Principal) Standing() error {
	now, settings := p.engine.now(), p.at.tree.settingsOf(p.at.node)
	if locked(p.at.node, settings, now) {
		return refuseLogin(dataLockedOut)
	}
	if data := p.engine.standing(p.at, settings, now); data != "" {
		return refuseLogin(data)
	}
	return nil
}

// Usable says by an error as of Bind why somebody who has logged in before may not go on: the account is disabled, has expired or
// is locked.
func (p *Principal) Usable() error {
	now := p.engine.now()
	if locked(p.at.node, p.at.tree.settingsOf(p.at.node), now) {
		return refuseLogin(dataLockedOut)
	}
	if data := barred(p.at.node, now); data != "" {
		return refuseLogin(data)
	}
	return nil
}

// ChangePassword is the principal's own change of its password, as by LDAP; that it knows the old one is proved. The error is an
// *ldap.Error where the directory refuses.
func (p *Principal) ChangePassword(ctx context.Context, next []byte) error {
	s, dn := p.Session(), p.at.tree.dnOf(p.at.node)
	change := &passwordChange{next: slices.Clone(next), proved: true}
	defer change.wipe()
	return s.observed(dn, func() error {
		return s.retry(ctx, func() error { return s.modify(ctx, dn, change, nil, false) })
	}, directory.EventPasswordChange)
}

// ResetPassword is the principal's reset of another one's password, as by LDAP, with the rights that it has.
func (p *Principal) ResetPassword(ctx context.Context, other *Principal, next []byte) error {
	_, err := p.Session().PasswordModify(ctx, other.at.tree.dnOf(other.at.node), nil, next)
	return err
}

// Session is the principal's view of its directory, as Bind gives it over a secure connection.
func (p *Principal) Session() *Session {
	return &Session{engine: p.engine, tree: p.at.tree, user: p.at.node.guid, secure: true}
}
