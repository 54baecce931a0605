package embedded

import (
	"errors"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// observer is who is told what happens in a tree; nil is nobody.
func (e *Engine) observer(t *tree) func(directory.SecurityEvent) {
	if e.Observer == nil || t == nil {
		return nil
	}
	return e.Observer(t.domain.ID)
}

// observed does a write, and tells of it if it was done.
func (s *Session) observed(dn string, write func() error, kinds ...directory.EventKind) error {
	tell := s.engine.observer(s.tree)
	if tell == nil {
		return write()
	}
	// Before, as the entry may not be there afterwards.
	event := s.tree.event(dn)
	err := write()
	if err != nil {
		return err
	}
	if event.Account == "" {
		event.Account = s.tree.event(dn).Account
	}
	event.Time, event.By = s.engine.now().UTC(), s.Who()
	for _, kind := range kinds {
		event.EventID, event.Name = kind.ID, kind.Name
		tell(event)
	}
	return nil
}

// event is about the entry of that DN, as far as it is known.
func (t *tree) event(dn string) directory.SecurityEvent {
	event := directory.SecurityEvent{Directory: t.domain.ID, Domain: t.domain.Name, Target: dn}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n, err := t.find(dn); err == nil {
		event.Target, event.Account = t.dn(n), n.first("sAMAccountName")
	}
	return event
}

// modifications is what a Modify means.
func modifications(password *passwordChange, rest []ldap.Change) (kinds []directory.EventKind) {
	switch {
	case password == nil:
	case password.reset():
		kinds = append(kinds, directory.EventPasswordReset)
	default:
		kinds = append(kinds, directory.EventPasswordChange)
	}
	members, others := false, false
	for _, change := range rest {
		member := strings.EqualFold(change.Modification.Type, "member")
		members, others = members || member, others || !member
	}
	if members {
		kinds = append(kinds, directory.EventMembers)
	}
	if others {
		kinds = append(kinds, directory.EventChanged)
	}
	return kinds
}

// observeLogin tells what came of a login.
func (e *Engine) observeLogin(c candidate, refusal error) {
	tell := e.observer(c.tree)
	if tell == nil {
		return
	}
	var answer *ldap.Error
	if refusal != nil && !errors.As(refusal, &answer) {
		return // nobody knows what it would have come to
	}
	kind := directory.EventLogon
	c.tree.mu.RLock()
	event := directory.SecurityEvent{
		Time: e.now().UTC(), Directory: c.tree.domain.ID, Domain: c.tree.domain.Name, Target: c.tree.dn(c.node), Account: c.node.first("sAMAccountName"),
	}
	c.tree.mu.RUnlock()
	if refusal != nil {
		kind, event.Code = directory.EventLogonRefused, directory.DataCode(refusal)
	}
	event.EventID, event.Name = kind.ID, kind.Name
	tell(event)
}
