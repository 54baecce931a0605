package embedded

import (
	"slices"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// mayModify is mayWrite for a modification, of which a Managed Microsoft AD lets the customer's administrators make two more:
// its delegated administrators say who is in the delegated groups, and who is in the group for it sets what the password
// settings objects demand, and of whom, but not their precedence (AWS Administration Guide, "Supported policy settings").
func (s *Session) mayModify(dn string, changes []ldap.Change) error {
	denied := s.mayWrite(dn, dn)
	if denied == nil || s.tree == nil || s.tree.domain.Kind != directory.MicrosoftAD {
		return denied
	}
	t := s.tree
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, err := t.find(dn)
	own := t.nodes[s.user]
	if err != nil || own == nil {
		return denied
	}
	in := func(name string) bool {
		return slices.ContainsFunc(t.groups(own), func(group *node) bool { return group.first("sAMAccountName") == name })
	}
	only := func(names ...string) bool {
		return !slices.ContainsFunc(changes, func(change ldap.Change) bool {
			a := t.schema.attribute(change.Modification.Type)
			return a == nil || !slices.Contains(names, a.name)
		})
	}
	unit, _ := t.find("OU=AWS Delegated Groups," + t.domain.BaseDN())
	switch {
	case n.class.is("msDS-PasswordSettings"):
		settings := ofObject.list()
		if only(append(settings, "msDS-PasswordReversibleEncryptionEnabled", "msDS-PSOAppliesTo")...) && in(directory.PasswordPolicyAdministrators) {
			return nil
		}
	case n.class.is("group") && unit != nil && n.parent == unit.guid:
		if only("member") && in(directory.DelegatedAdministrators) {
			return nil
		}
	}
	return denied
}
