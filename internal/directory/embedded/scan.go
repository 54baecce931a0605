package embedded

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/store"
)

// breathEvery is how many entries a search looks at between two moments in which it lets writers through, and looks at the
// clock.
const breathEvery = 256

// scan is a search on its way through the tree.
type scan struct {
	tree     *tree
	base     *node
	scope    int
	filter   predicate
	after    position
	limit    int
	visit    func(*node)
	readings int

	count int
	last  position // the last entry that was visited
	more  bool     // there are others behind it
}

// run visits at most limit matching entries behind a position, in the order in which entries were made. The caller holds
// the tree's mu for reading. A search of many entries lets writers through in between: each entry is seen as it is at its
// turn.
func (s *scan) run(ctx context.Context) error {
	t := s.tree
	s.readings = t.readings
	if s.scope == ldap.ScopeBaseObject {
		s.look(s.base)
		return nil
	}
	most := s.worthwhile()
	candidates, indexed := s.filter.candidates(t, most)
	if !indexed && s.scope == ldap.ScopeSingleLevel {
		candidates, indexed = t.childrenOf(s.base, most)
	}
	if !indexed {
		return s.inOrder(ctx)
	}
	candidates = slices.DeleteFunc(candidates, func(n *node) bool { return n.position().compare(s.after) <= 0 })
	slices.SortFunc(candidates, func(a, b *node) int { return a.position().compare(b.position()) })
	for i, n := range candidates {
		if i > 0 && i%breathEvery == 0 {
			if err := s.breathe(ctx); err != nil {
				return err
			}
		}
		if i >= breathEvery {
			if n = t.nodes[n.guid]; n == nil {
				continue
			}
		}
		if !s.look(n) {
			break
		}
	}
	return nil
}

// worthwhile is how many candidates an index may give before looking at all entries in their order is faster: that comes to
// the limit after limit·entries/candidates of them, while candidates must be collected and sorted before the first counts.
func (s *scan) worthwhile() int {
	const collecting = 8 // candidates are collected while one entry is looked at
	return 1024 + int(math.Sqrt(collecting*float64(s.limit)*float64(len(s.tree.nodes))))
}

// inOrder looks at all entries behind the position.
func (s *scan) inOrder(ctx context.Context) error {
	for from, done := s.after, false; ; {
		steps := 0
		done = true
		s.tree.order.AscendGreaterOrEqual(&node{created: from.created, guid: from.guid}, func(n *node) bool {
			if steps++; steps > breathEvery {
				from, done = n.position(), false
				return false
			}
			return s.look(n)
		})
		if done {
			return nil
		}
		if err := s.breathe(ctx); err != nil {
			return err
		}
	}
}

// look visits the entry if it matches, and says whether to go on.
func (s *scan) look(n *node) bool {
	at := n.position()
	if at.compare(s.after) <= 0 || !s.tree.inScope(n, s.base, s.scope) || s.filter.match(s.tree, n) != yes {
		return true
	}
	if s.count == s.limit {
		s.more = true
		return false
	}
	s.visit(n)
	s.last = at
	s.count++
	return true
}

// breathe lets writers through.
func (s *scan) breathe(ctx context.Context) error {
	t := s.tree
	t.mu.RUnlock()
	t.mu.RLock()
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if s.base = t.nodes[s.base.guid]; s.base == nil || t.readings != s.readings {
		return refuse(ldap.LDAPResultBusy, "", "the entry that the search begins at was deleted, or the directory read anew, while it ran")
	}
	return nil
}

// The candidates of a filter are the entries that an index has for it, those that match among them. ok is false where no
// index helps, or where it has more than most.

func (everything) candidates(*tree, int) ([]*node, bool) { return nil, false }
func (undefined) candidates(*tree, int) ([]*node, bool)  { return nil, true }
func (not) candidates(*tree, int) ([]*node, bool)        { return nil, false }
func (ordered) candidates(*tree, int) ([]*node, bool)    { return nil, false }
func (bits) candidates(*tree, int) ([]*node, bool)       { return nil, false }

func (p present) candidates(t *tree, most int) ([]*node, bool) {
	if !p.attribute.indexed {
		return nil, false
	}
	return t.having(p.attribute.name, "", func(string) bool { return true }, most)
}

func (p all) candidates(t *tree, most int) (best []*node, ok bool) {
	if best, ok = p.between(t, most); ok {
		if most = len(best) - 1; most <= 0 {
			return best, ok
		}
	}
	for _, part := range p {
		if found, indexed := part.candidates(t, most); indexed {
			best, ok = found, true
			if most = len(best) - 1; most <= 0 {
				break
			}
		}
	}
	return best, ok
}

// between is the entries between two objectGUIDs, if the filter has both bounds.
func (p all) between(t *tree, most int) (found []*node, ok bool) {
	var low, high node
	var above, below bool
	for _, part := range p {
		bound, isBound := part.(ordered)
		switch {
		case !isBound || bound.attribute.name != "objectGUID" || len(bound.value) != len(low.guid):
		case bound.atLeast:
			above = copy(low.guid[:], bound.value) > 0
		default:
			below = copy(high.guid[:], bound.value) > 0
		}
	}
	if ok = above && below; !ok {
		return nil, false
	}
	t.guids.AscendGreaterOrEqual(&low, func(n *node) bool {
		if slices.Compare(n.guid[:], high.guid[:]) > 0 {
			return false
		}
		found = append(found, n)
		ok = len(found) <= most
		return ok
	})
	return found, ok
}

func (p anyOf) candidates(t *tree, most int) ([]*node, bool) {
	seen := map[store.GUID]bool{}
	var union []*node
	for _, part := range p {
		found, indexed := part.candidates(t, most)
		if !indexed {
			return nil, false
		}
		for _, n := range found {
			if !seen[n.guid] {
				seen[n.guid] = true
				union = append(union, n)
			}
		}
	}
	return union, len(union) <= most
}

// indexName is the index that has the attribute's values, "" if none has.
func (a *attribute) indexName() string {
	switch {
	case a.indexed:
		return a.name
	case a.name == "cn" || a.name == "name" || a.name == "ou":
		return "name"
	}
	return ""
}

func (p equal) candidates(t *tree, most int) ([]*node, bool) {
	index := p.attribute.indexName()
	switch {
	case index != "":
		return t.having(index, p.value, func(value string) bool { return value == p.value }, most)
	case p.attribute.name == "objectGUID":
		var guid store.GUID
		if len(p.value) != len(guid) {
			return nil, true
		}
		copy(guid[:], p.value)
		if n := t.nodes[guid]; n != nil {
			return []*node{n}, true
		}
		return nil, true
	case p.attribute.name == "distinguishedName":
		if n, _ := t.resolve(strings.Split(p.value, "\x00")); n != nil {
			return []*node{n}, true
		}
		return nil, true
	}
	return nil, false
}

func (p substrings) candidates(t *tree, most int) ([]*node, bool) {
	index := p.attribute.indexName()
	if p.initial == "" || index == "" {
		return nil, false
	}
	return t.having(index, p.initial, func(value string) bool { return strings.HasPrefix(value, p.initial) }, most)
}

func (p oneOf) candidates(_ *tree, most int) ([]*node, bool) {
	if len(p) > most {
		return nil, false
	}
	found := make([]*node, 0, len(p))
	for _, n := range p {
		found = append(found, n)
	}
	return found, true
}

func (p linked) candidates(t *tree, most int) ([]*node, bool) {
	index := t.backward
	if p.back {
		index = t.forward
	}
	return t.linkedUpTo(index, p.attributeName, p.to, most)
}
