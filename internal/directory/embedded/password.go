package embedded

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// PasswordModify is RFC 3062's operation: user is a DN, an authorization identity of RFC 4513 section 5.2.1.8, any name that a
// bind takes, or "" for the session's own. With the old password it is a user's change, without it a reset, which takes rights
// over the entry. Without a new one the directory makes one up that its settings allow, and gives it back; the caller wipes
// it.
func (s *Session) PasswordModify(ctx context.Context, user string, oldPassword, newPassword []byte) (generated []byte, err error) {
	if s.tree == nil {
		return nil, s.mayWrite(user, user)
	}
	dn, n := s.named(user)
	if n == nil {
		return nil, refuse(ldap.LDAPResultNoSuchObject, "00002030", "nobody has the name "+user)
	}
	if len(newPassword) == 0 {
		generated, err = s.tree.settingsOf(n).Generate(n.first("sAMAccountName"), n.first("displayName"))
		if err != nil {
			return nil, refuse(ldap.LDAPResultUnwillingToPerform, "", err.Error())
		}
		newPassword = generated
	}
	request := ldap.NewModifyRequest(dn, nil)
	next := directory.EncodePassword(newPassword)
	defer clear(next)
	if len(oldPassword) == 0 {
		request.Replace("unicodePwd", []string{string(next)})
	} else {
		former := directory.EncodePassword(oldPassword)
		defer clear(former)
		request.Delete("unicodePwd", []string{string(former)})
		request.Add("unicodePwd", []string{string(next)})
	}
	if err := s.Modify(ctx, request); err != nil {
		clear(generated)
		return nil, err
	}
	return generated, nil
}

// named is the account of the session's directory that a name means, or nil.
func (s *Session) named(user string) (dn string, n *node) {
	if name, ok := cutPrefixFold(user, "dn:"); ok {
		user = name
	} else if name, ok := cutPrefixFold(user, "u:"); ok {
		user = name
	}
	s.tree.mu.RLock()
	defer s.tree.mu.RUnlock()
	if user == "" {
		if n = s.tree.nodes[s.user]; n == nil {
			return "", nil
		}
		return s.tree.dn(n), n
	}
	found := s.tree.accounts(user)
	found = slices.DeleteFunc(found, func(each *node) bool { return !each.logsIn() })
	if len(found) != 1 {
		return "", nil
	}
	return s.tree.dn(found[0]), found[0]
}

func cutPrefixFold(s, prefix string) (rest string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
