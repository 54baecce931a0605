package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// maxPage is AD's MaxPageSize: a search without paging gives at most so many entries (MS-ADTS section 3.1.1.3.4.6).
const maxPage = 1000

func (t *tree) search(ctx context.Context, request *ldap.SearchRequest, asked func(*attribute) bool) (*ldap.SearchResult, error) {
	if request.TimeLimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(request.TimeLimit)*time.Second)
		defer cancel()
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.searchLocked(ctx, request, asked)
}

func (t *tree) searchLocked(ctx context.Context, request *ldap.SearchRequest, asked func(*attribute) bool) (*ldap.SearchResult, error) {
	base, err := t.find(request.BaseDN)
	if err != nil {
		return nil, err
	}
	filter, err := t.compileFilter(request.Filter)
	if err != nil {
		return nil, refuse(ldap.LDAPResultProtocolError, "", err.Error())
	}
	if ldap.FindControl(request.Controls, ldap.ControlTypeServerSideSorting) != nil || ldap.FindControl(request.Controls, ldap.ControlTypeVLVRequest) != nil {
		return t.sorted(ctx, base, filter, request, asked)
	}
	paging, _ := ldap.FindControl(request.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	limit := maxPage
	var after position
	if paging != nil {
		if after, err = parseCookie(paging.Cookie); err != nil {
			return nil, refuse(ldap.LDAPResultUnwillingToPerform, "", err.Error())
		}
		limit = min(int(paging.PagingSize), maxPage)
	}
	limited := request.SizeLimit > 0 && (request.SizeLimit < limit || paging == nil)
	if limited {
		limit = min(limit, request.SizeLimit)
	}
	result := &ldap.SearchResult{}
	if paging != nil && paging.PagingSize == 0 {
		result.Controls = append(result.Controls, &ldap.ControlPaging{})
		return result, nil
	}
	selection := t.newSelection(request.Attributes, request.TypesOnly)
	s := scan{tree: t, base: base, scope: request.Scope, filter: filter, after: after, limit: limit, visit: func(n *node) {
		result.Entries = append(result.Entries, selection.entry(n, asked))
	}}
	switch err := s.run(ctx); {
	case err != nil:
		return result, err
	case paging != nil && !limited:
		response := &ldap.ControlPaging{}
		if s.more {
			response.Cookie = s.last.cookie()
		}
		result.Controls = append(result.Controls, response)
	case s.more:
		return result, refuse(ldap.LDAPResultSizeLimitExceeded, "", "the search has more results than its limit")
	}
	return result, nil
}

func stopped(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return refuse(ldap.LDAPResultTimeLimitExceeded, "", "the search took longer than its limit")
	}
	return ctx.Err()
}

func (t *tree) inScope(n, base *node, scope int) bool {
	switch scope {
	case ldap.ScopeBaseObject:
		return n.guid == base.guid
	case ldap.ScopeSingleLevel:
		return n.parent == base.guid
	case ldap.ScopeChildren:
		return n.guid != base.guid && t.below(n, base)
	}
	return base.guid == t.root || t.below(n, base)
}

// find is the entry that a request names: by DN, or in AD's forms <GUID=…> and <SID=…>. The caller holds mu.
func (t *tree) find(dn string) (*node, error) {
	if root := t.nodes[t.root]; root != nil && dn == t.baseDN {
		return root, nil
	}
	if inner, ok := strings.CutPrefix(dn, "<"); ok {
		return t.findByID(strings.TrimSuffix(inner, ">"))
	}
	n, err := parseDN(dn)
	if err != nil {
		return nil, refuse(ldap.LDAPResultInvalidDNSyntax, "0000208F", "the DN can't be read")
	}
	found, nearest := t.resolve(n)
	if found == nil {
		matched := ""
		if nearest != nil {
			matched = t.dn(nearest)
		}
		return nil, &ldap.Error{ResultCode: ldap.LDAPResultNoSuchObject, MatchedDN: matched, Err: errors.New("00002030: No such Base DN: " + dn)}
	}
	return found, nil
}

func (t *tree) findByID(id string) (*node, error) {
	kind, value, _ := strings.Cut(id, "=")
	switch strings.ToUpper(kind) {
	case "GUID":
		if guid, ok := parseGUIDText(value); ok && t.nodes[guid] != nil {
			return t.nodes[guid], nil
		}
	case "SID":
		if sid, err := directory.ParseSID(value); err == nil {
			if found := t.lookup("objectSid", string(sid)); len(found) == 1 {
				return found[0], nil
			}
		}
	}
	return nil, refuse(ldap.LDAPResultNoSuchObject, "00002030", "no entry has this identifier")
}

// cookie is a place in a paged search: the next page begins behind it, whatever was written in between.
func (p position) cookie() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(p.created)), p.guid[:]...)
}

func parseCookie(cookie []byte) (position, error) {
	var p position
	if len(cookie) == 0 {
		return p, nil
	}
	if len(cookie) != 8+len(p.guid) {
		return p, errors.New("the paged results cookie is not one of this server's")
	}
	p.created = int64(binary.BigEndian.Uint64(cookie))
	copy(p.guid[:], cookie[8:])
	return p, nil
}

// selection is which attributes of an entry a search gives.
type selection struct {
	tree      *tree
	names     []*attribute        // asked for by name
	parts     map[*attribute]part // of those of which not all values are asked for
	all       bool
	links     []*attribute // with all: those that some entry has, and their other sides
	typesOnly bool
}

func (t *tree) newSelection(attributes []string, typesOnly bool) selection {
	s := selection{tree: t, all: len(attributes) == 0, typesOnly: typesOnly, parts: map[*attribute]part{}}
	for _, attributeName := range attributes {
		if attributeName == "*" {
			s.all = true
		} else if a := t.schema.attribute(attributeName); a != nil && !slices.Contains(s.names, a) {
			s.names = append(s.names, a)
			if p := parsePart(attributeName); p.asked {
				s.parts[a] = p
			}
		}
	}
	if s.all {
		s.links = t.linksInUse()
	}
	return s
}

func (s selection) entry(n *node, readable func(*attribute) bool) *ldap.Entry {
	wanted := s.names
	if s.all {
		wanted = slices.DeleteFunc(slices.Clone(s.names), func(a *attribute) bool { return !a.asked })
		wanted = append(s.shown(n), wanted...)
	}
	entry := &ldap.Entry{DN: s.tree.dn(n), Attributes: make([]*ldap.EntryAttribute, 0, len(wanted))}
	given := make([]ldap.EntryAttribute, len(wanted)) // in one piece, as an answer can be a thousand entries
	for i, a := range wanted {
		if !readable(a) {
			continue
		}
		values, named := s.tree.partOf(n, a, s.parts[a])
		if len(values) == 0 {
			continue
		}
		given[i].Name = named
		if !s.typesOnly {
			given[i].Values, given[i].ByteValues = values, bytesOf(values)
		}
		entry.Attributes = append(entry.Attributes, &given[i])
	}
	return entry
}

// bytesOf is a copy of the values.
func bytesOf(values []string) [][]byte {
	size := 0
	for _, value := range values {
		size += len(value)
	}
	all, whole := make([][]byte, len(values)), make([]byte, 0, size)
	for i, value := range values {
		begin := len(whole)
		whole = append(whole, value...)
		all[i] = whole[begin:len(whole):len(whole)]
	}
	return all
}

// valuesOf is the values of an attribute, stored or computed. The caller holds mu.
func (t *tree) valuesOf(n *node, a *attribute) []string {
	switch {
	case a.link:
		return t.dns(t.linked(t.forward, a.name, n.guid))
	case a.virtual:
		return t.compute(n, a)
	}
	return n.attributes.of(a.name)
}

func (t *tree) dns(nodes []*node) []string {
	values := make([]string, len(nodes))
	for i, n := range nodes {
		values[i] = t.dn(n)
	}
	return values
}

// compute is the values of an attribute that is not stored (MS-ADTS section 3.1.1.4.5).
func (t *tree) compute(n *node, a *attribute) []string {
	switch a.name {
	case "msDS-ResultantPSO":
		if object := t.resultant(n); object != nil {
			return []string{t.dn(object)}
		}
	case "name":
		_, value := splitRDN(n.rdn)
		return []string{value}
	case "cn", "ou", "dc":
		if kind, value := splitRDN(n.rdn); strings.EqualFold(kind, a.name) {
			return []string{value}
		}
	case "distinguishedName":
		return []string{t.dn(n)}
	case "objectCategory":
		if n.class != nil {
			return []string{t.categoryDN(n.class.category)}
		}
	case "objectGUID":
		return []string{guidBytes(n.guid)}
	case "uSNCreated":
		return []string{strconv.FormatInt(n.created, 10)}
	case "uSNChanged":
		return []string{strconv.FormatInt(n.revision, 10)}
	case "instanceType":
		if n.guid == t.root {
			return []string{"5"}
		}
		return []string{"4"}
	case "tokenGroups":
		var sids []string
		for _, group := range t.groups(n) {
			sids = append(sids, string(group.sid()))
		}
		return sids
	case "canonicalName":
		return []string{t.canonicalName(n)}
	case "structuralObjectClass":
		if n.class != nil {
			return []string{n.class.name}
		}
	case "createTimeStamp":
		return n.attributes.of("whenCreated")
	case "modifyTimeStamp":
		return n.attributes.of("whenChanged")
	}
	return t.construct(n, a)
}

func (t *tree) categoryDN(category string) string {
	return "CN=" + category + ",CN=Schema,CN=Configuration," + t.domain.BaseDN()
}

func (t *tree) canonicalName(n *node) string {
	var parts []string
	for ; n != nil && n.guid != t.root; n = t.nodes[n.parent] {
		_, value := splitRDN(n.rdn)
		parts = append(parts, strings.ReplaceAll(value, "/", `\/`))
	}
	slices.Reverse(parts)
	return t.domain.Name + "/" + strings.Join(parts, "/")
}

// hasLink says whether one entry refers to another by that attribute. The caller holds mu.
func (t *tree) hasLink(attributeName string, from, to store.GUID) bool {
	return t.forward.Has(linkItem{attribute: attributeName, from: from, to: to})
}
