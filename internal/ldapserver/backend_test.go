package ldapserver

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

const (
	janeDN     = "CN=Jane,DC=corp,DC=example,DC=com"
	rootDN     = "DC=corp,DC=example,DC=com"
	janeSecret = "Correct-Horse-7"
)

// fakeTree is a flat tree in memory that understands what the tests ask.
type fakeTree struct {
	mu      sync.Mutex
	entries map[string]map[string][]string
	order   []string
	secret  string
	// binding keeps what Bind was given, to see that it is wiped.
	binding []byte
	// cut counts searches that ended because their context did, finished updates that ran to their end.
	cut, finished atomic.Int32
	// entered gets a value when a slow operation begins.
	entered chan struct{}
	release chan struct{}
}

func newFakeTree() *fakeTree {
	t := &fakeTree{
		entries: map[string]map[string][]string{}, secret: janeSecret,
		entered: make(chan struct{}, 100), release: make(chan struct{}),
	}
	t.put(rootDN, map[string][]string{"objectClass": {"domain"}})
	t.put(janeDN, map[string][]string{"objectClass": {"user"}, "cn": {"Jane"}, "mail": {"jane@example.com"}, "photo": {"\x00\xff(*)\\"}})
	for i := range 25 {
		name := fmt.Sprintf("user%02d", i)
		t.put("CN="+name+","+rootDN, map[string][]string{"objectClass": {"user"}, "cn": {name}})
	}
	return t
}

func (t *fakeTree) put(dn string, attributes map[string][]string) {
	t.entries[dn] = attributes
	t.order = append(t.order, dn)
}

func (t *fakeTree) Anonymous(peer Peer) Session { return &fakeSession{tree: t, peer: peer} }

func (t *fakeTree) Bind(_ context.Context, peer Peer, name string, password []byte) (Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name == "panic" {
		panic("secret in a panic")
	}
	t.binding = password
	known := name == janeDN || name == "jane" || name == `CORP\jane` || name == "jane@corp.example.com"
	if !known || string(password) != t.secret {
		return nil, refuse(ldap.LDAPResultInvalidCredentials, "80090308: LdapErr: AcceptSecurityContext error, data 52e, v4563")
	}
	return &fakeSession{tree: t, peer: peer, who: `u:CORP\jane`}, nil
}

type fakeSession struct {
	tree *fakeTree
	peer Peer
	who  string
}

func (s *fakeSession) Who() string { return s.who }

func (s *fakeSession) PasswordModify(_ context.Context, user string, old, replacement []byte) ([]byte, error) {
	if s.who == "" {
		return nil, refuse(ldap.LDAPResultInsufficientAccessRights, "00000005: not allowed")
	}
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	if user != "" && user != janeDN {
		return nil, refuse(ldap.LDAPResultNoSuchObject, "no such user")
	}
	if len(old) > 0 && string(old) != s.tree.secret {
		return nil, refuse(ldap.LDAPResultInvalidCredentials, "wrong old password")
	}
	if len(replacement) == 0 {
		s.tree.secret = "Generated-9-Password"
		return []byte(s.tree.secret), nil
	}
	s.tree.secret = string(replacement)
	return nil, nil
}

// slow are the names of base DNs that make the tree do something odd.
func (s *fakeSession) odd(ctx context.Context, dn string) error {
	switch dn {
	case "DC=hang":
		s.tree.entered <- struct{}{}
		<-ctx.Done()
		s.tree.cut.Add(1)
		return ctx.Err()
	case "DC=wait":
		s.tree.entered <- struct{}{}
		select {
		case <-s.tree.release:
			s.tree.finished.Add(1)
		case <-ctx.Done():
			s.tree.cut.Add(1)
			return ctx.Err()
		}
	case "DC=panic":
		panic("secret in a panic")
	case "DC=broken":
		return fmt.Errorf("the disk is full")
	case "DC=remote":
		return &ldap.Error{ResultCode: ldap.ErrorNetwork, Err: fmt.Errorf("connection reset")}
	}
	return nil
}

func (s *fakeSession) Search(ctx context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	if err := s.odd(ctx, r.BaseDN); err != nil {
		return nil, err
	}
	filter, err := ldap.CompileFilter(r.Filter)
	if err != nil {
		return nil, refuse(ldap.LDAPResultFilterError, err.Error())
	}
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	if r.BaseDN == "" && r.Scope == ldap.ScopeBaseObject {
		return &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry("", Features())}}, nil
	}
	if s.who == "" {
		return nil, refuse(ldap.LDAPResultOperationsError, "000004DC: a successful bind must be completed")
	}
	if _, found := s.tree.entries[r.BaseDN]; !found {
		return nil, &ldap.Error{ResultCode: ldap.LDAPResultNoSuchObject, MatchedDN: rootDN, Err: fmt.Errorf("00002030: No such Base DN: %s", r.BaseDN)}
	}
	result := &ldap.SearchResult{}
	for _, dn := range s.tree.order {
		inScope := dn == r.BaseDN || r.Scope == ldap.ScopeWholeSubtree && strings.HasSuffix(dn, ","+r.BaseDN) ||
			r.Scope == ldap.ScopeSingleLevel && strings.HasSuffix(dn, ","+r.BaseDN)
		if attributes := s.tree.entries[dn]; attributes != nil && inScope && matches(filter, attributes) {
			result.Entries = append(result.Entries, ldap.NewEntry(dn, chosen(attributes, r.Attributes)))
		}
	}
	if r.SizeLimit > 0 && len(result.Entries) > r.SizeLimit {
		result.Entries = result.Entries[:r.SizeLimit]
		return result, refuse(ldap.LDAPResultSizeLimitExceeded, "")
	}
	return paged(result, r.Controls)
}

func paged(result *ldap.SearchResult, controls []ldap.Control) (*ldap.SearchResult, error) {
	for _, c := range controls {
		paging, ok := c.(*ldap.ControlPaging)
		if !ok {
			continue
		}
		first, _ := strconv.Atoi(string(paging.Cookie))
		first = min(first, len(result.Entries))
		last := min(first+int(paging.PagingSize), len(result.Entries))
		answer := ldap.NewControlPaging(0)
		if last < len(result.Entries) {
			answer.SetCookie([]byte(strconv.Itoa(last)))
		}
		result.Entries = result.Entries[first:last]
		result.Controls = []ldap.Control{answer}
	}
	return result, nil
}

func chosen(attributes map[string][]string, wanted []string) map[string][]string {
	if len(wanted) == 0 || slices.Contains(wanted, "*") {
		return attributes
	}
	out := map[string][]string{}
	for name, values := range attributes {
		if slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, name) }) {
			out[name] = values
		}
	}
	return out
}

func values(attributes map[string][]string, name string) []string {
	for have, values := range attributes {
		if strings.EqualFold(have, name) {
			return values
		}
	}
	return nil
}

// matches knows presence, equality, and, or, not; anything else matches nothing.
func matches(filter *ber.Packet, attributes map[string][]string) bool {
	switch filter.Tag {
	case ldap.FilterPresent:
		return values(attributes, filter.Data.String()) != nil
	case ldap.FilterEqualityMatch:
		return slices.Contains(values(attributes, filter.Children[0].Data.String()), filter.Children[1].Data.String())
	case ldap.FilterNot:
		return !matches(filter.Children[0], attributes)
	case ldap.FilterAnd:
		return !slices.ContainsFunc(filter.Children, func(p *ber.Packet) bool { return !matches(p, attributes) })
	case ldap.FilterOr:
		return slices.ContainsFunc(filter.Children, func(p *ber.Packet) bool { return matches(p, attributes) })
	}
	return false
}

func (s *fakeSession) Add(ctx context.Context, r *ldap.AddRequest) error {
	if err := s.odd(ctx, r.DN); err != nil {
		return err
	}
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	if s.tree.entries[r.DN] != nil {
		return refuse(ldap.LDAPResultEntryAlreadyExists, "00000524: exists")
	}
	attributes := map[string][]string{}
	for _, attribute := range r.Attributes {
		attributes[attribute.Type] = attribute.Vals
	}
	s.tree.put(r.DN, attributes)
	return nil
}

func (s *fakeSession) Modify(ctx context.Context, r *ldap.ModifyRequest) error {
	if err := s.odd(ctx, r.DN); err != nil {
		return err
	}
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	entry := s.tree.entries[r.DN]
	if entry == nil {
		return refuse(ldap.LDAPResultNoSuchObject, "")
	}
	for _, change := range r.Changes {
		name := change.Modification.Type
		switch change.Operation {
		case ldap.AddAttribute:
			entry[name] = append(entry[name], change.Modification.Vals...)
		case ldap.DeleteAttribute:
			delete(entry, name)
		default:
			entry[name] = change.Modification.Vals
		}
	}
	return nil
}

func (s *fakeSession) ModifyDN(_ context.Context, r *ldap.ModifyDNRequest) error {
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	_, parent, _ := strings.Cut(r.DN, ",")
	if r.NewSuperior != "" {
		parent = r.NewSuperior
	}
	s.tree.put(r.NewRDN+","+parent, s.tree.entries[r.DN])
	delete(s.tree.entries, r.DN)
	return nil
}

func (s *fakeSession) Delete(_ context.Context, r *ldap.DelRequest) error {
	s.tree.mu.Lock()
	defer s.tree.mu.Unlock()
	delete(s.tree.entries, r.DN)
	return nil
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

const soon = time.Minute
