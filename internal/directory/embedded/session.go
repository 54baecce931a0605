package embedded

import (
	"context"
	"errors"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// Session is one identity's view of the directories. It implements directory.Conn. It is safe for concurrent use.
type Session struct {
	engine *Engine
	tree   *tree      // nil when anonymous
	user   store.GUID // zero when anonymous or the system
	system bool
	secure bool // nobody on the way can read what passes
	// certified says that the client has shown a certificate, whoever signed it.
	certified bool
	making    bool // the engine itself, which writes what it else computes
}

// policyHints makes a reset keep to the password history (MS-ADTS section 3.1.1.3.4.1.27).
const policyHints = "1.2.840.113556.1.4.2239"

// refuse is an LDAP refusal; code is AD's extended code, eight digits, or "".
func refuse(result uint16, code, message string) *ldap.Error {
	if code != "" {
		message = code + ": " + message
	}
	return &ldap.Error{ResultCode: result, Err: errors.New(message)}
}

// Anonymous may read the rootDSE and nothing more. certified says that the client has shown a certificate, and could log in by it.
func (e *Engine) Anonymous(certified bool) *Session { return &Session{engine: e, certified: certified} }

// Who is the session's identity in the form of RFC 4532, "u:CORP\jane"; "" when anonymous.
func (s *Session) Who() string {
	if s.tree == nil || s.system {
		return ""
	}
	s.tree.mu.RLock()
	defer s.tree.mu.RUnlock()
	n := s.tree.nodes[s.user]
	if n == nil {
		return ""
	}
	return "u:" + s.tree.domain.NetBIOS + `\` + n.first("sAMAccountName")
}

// Search implements directory.Conn.
func (s *Session) Search(ctx context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	if request.BaseDN == "" && request.Scope == ldap.ScopeBaseObject {
		return s.engine.rootDSE(s.tree, s.certified, request.Filter, request.Attributes), nil
	}
	if s.tree == nil {
		return nil, refuse(ldap.LDAPResultOperationsError, "000004DC", "LdapErr: In order to perform this operation a successful bind must be completed on the connection., data 0")
	}
	t := s.tree.context(request.BaseDN)
	result, err := t.search(ctx, request, readable)
	s.view(t, request, result)
	return result, err
}

// readable says which attributes anybody may read: all that are stored, since the keys are not attributes.
func readable(a *attribute) bool { return a.name != "unicodePwd" }

// Add implements directory.Conn.
func (s *Session) Add(ctx context.Context, request *ldap.AddRequest) error {
	if err := s.mayWrite(request.DN, request.DN); err != nil {
		return err
	}
	return s.observed(request.DN, func() error { return s.retry(ctx, func() error { return s.add(ctx, request) }) }, directory.EventCreated)
}

// Modify implements directory.Conn.
func (s *Session) Modify(ctx context.Context, request *ldap.ModifyRequest) error {
	password, rest, err := takePassword(request.Changes)
	if err != nil {
		return err
	}
	defer password.wipe()
	if password != nil {
		password.history = ldap.FindControl(request.Controls, policyHints) != nil
	}
	if password != nil && !s.secure {
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", "unicodePwd can be written over a protected connection only")
	}
	// Everybody may change a password whose old value he knows; all else takes rights over the entry.
	switch {
	case password == nil:
		err = s.mayModify(request.DN, rest)
	case password.reset() || len(rest) > 0 || s.tree == nil:
		err = s.mayWrite(request.DN, request.DN)
	}
	if err != nil {
		return err
	}
	permissive := ldap.FindControl(request.Controls, ldap.ControlTypeMicrosoftPermissiveModify) != nil
	return s.observed(request.DN, func() error {
		return s.retry(ctx, func() error { return s.modify(ctx, request.DN, password, rest, permissive) })
	}, modifications(password, rest)...)
}

// ModifyDN implements directory.Conn.
func (s *Session) ModifyDN(ctx context.Context, request *ldap.ModifyDNRequest) error {
	target := request.DN
	if request.NewSuperior != "" {
		target = request.NewSuperior
	}
	if err := s.mayWrite(request.DN, target); err != nil {
		return err
	}
	return s.observed(request.DN, func() error { return s.retry(ctx, func() error { return s.rename(ctx, request) }) }, directory.EventRenamed)
}

// Delete implements directory.Conn.
func (s *Session) Delete(ctx context.Context, request *ldap.DelRequest) error {
	if err := s.mayWrite(request.DN, request.DN); err != nil {
		return err
	}
	if ldap.FindControl(request.Controls, ldap.ControlTypeMicrosoftTreeDelete) != nil {
		return s.removeTree(ctx, request.DN)
	}
	return s.observed(request.DN, func() error { return s.retry(ctx, func() error { return s.remove(ctx, request.DN) }) }, directory.EventDeleted)
}

// mayWrite is the directory's access control: who is in Administrators may write everything, and on a Managed Microsoft
// AD who is in AWS Delegated Administrators everything below the customer's OU. Both DNs must be in reach.
func (s *Session) mayWrite(dn, target string) error {
	if s.system {
		return nil
	}
	if s.tree == nil {
		return refuse(ldap.LDAPResultOperationsError, "000004DC", "LdapErr: In order to perform this operation a successful bind must be completed on the connection., data 0")
	}
	s.tree.mu.RLock()
	defer s.tree.mu.RUnlock()
	denied := refuse(ldap.LDAPResultInsufficientAccessRights, "00002098", "insufficient access rights on "+dn)
	own := s.tree.nodes[s.user]
	if own == nil {
		return denied
	}
	delegated := false
	for _, group := range s.tree.groups(own) {
		if group.sid() == directory.SIDAdministrators {
			return nil
		}
		delegated = delegated || group.first("sAMAccountName") == directory.DelegatedAdministrators
	}
	if !delegated || s.tree.domain.Kind != directory.MicrosoftAD {
		return denied
	}
	customer, err := parseDN(s.tree.domain.CustomerDN())
	if err != nil {
		return denied
	}
	for _, each := range []string{dn, target} {
		n, err := parseDN(each)
		if err != nil || !suffix(n, customer) {
			return denied
		}
	}
	return nil
}

func suffix(n, end name) bool {
	if len(n) < len(end) {
		return false
	}
	for i := range end {
		if n[len(n)-len(end)+i] != end[i] {
			return false
		}
	}
	return true
}
