package embedded

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// maxTree is how many entries one tree delete takes away; AD has the same limit (MS-ADTS section 3.1.1.5.5.7.2).
const maxTree = 16384

// removeTree deletes an entry and all below it, leaves first, each in a change of its own: what was deleted when it is cut
// short stays deleted. Nothing is where the directory needs one of the entries.
func (s *Session) removeTree(ctx context.Context, dn string) error {
	t := s.tree
	t.mu.RLock()
	top, err := t.find(dn)
	var doomed []*node
	if err == nil {
		doomed = t.subtree(top)
	}
	t.mu.RUnlock()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(doomed, t.needed) {
		return refuse(ldap.LDAPResultUnwillingToPerform, "00002114", "the directory needs an entry of this tree")
	}
	more := len(doomed) > maxTree
	if more {
		doomed = doomed[:maxTree]
	}
	for _, n := range doomed {
		t.mu.RLock()
		at := t.dn(n)
		t.mu.RUnlock()
		err := s.observed(at, func() error { return s.retry(ctx, func() error { return s.remove(ctx, at) }) }, directory.EventDeleted)
		if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return err
		}
	}
	if more {
		return refuse(ldap.LDAPResultAdminLimitExceeded, "00002116", "the tree has more entries than are deleted at once: delete it again")
	}
	return nil
}

// needed says whether the directory can't be without an entry.
func (t *tree) needed(n *node) bool {
	return n.guid == t.root || n.first("isCriticalSystemObject") == "TRUE"
}

// subtree is an entry and all below it, in an order in which they can be deleted: the deepest first, groups after the accounts
// whose primary one they may be. The caller holds mu.
func (t *tree) subtree(top *node) []*node {
	type placed struct {
		node  *node
		depth int
	}
	all := []placed{{top, 0}}
	for i := 0; i < len(all); i++ {
		children, _ := t.childrenOf(all[i].node, math.MaxInt)
		for _, child := range children {
			all = append(all, placed{child, all[i].depth + 1})
		}
	}
	rank := func(p placed) int {
		switch {
		case t.hasChildren(p.node.guid):
			return 2
		case p.node.class.is("group"):
			return 1
		}
		return 0
	}
	ranks := make(map[*node]int, len(all))
	for _, p := range all {
		ranks[p.node] = rank(p)
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(ranks[a.node], ranks[b.node]), cmp.Compare(b.depth, a.depth))
	})
	nodes := make([]*node, len(all))
	for i, p := range all {
		nodes[i] = p.node
	}
	return nodes
}
