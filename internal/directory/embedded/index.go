package embedded

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/google/btree"

	"latchkey/internal/store"
)

// put makes next the state of an entry in place of old, in the tree and its indexes; one of the two may be nil. The caller
// holds mu for writing.
func (t *tree) put(old, next *node) {
	if old != nil {
		t.leave(old, next)
	}
	if next == nil {
		return
	}
	if next.parent == (store.GUID{}) {
		t.root = next.guid
	}
	t.nodes[next.guid] = next
	t.children.ReplaceOrInsert(next)
	t.order.ReplaceOrInsert(next)
	t.guids.ReplaceOrInsert(next)
	t.eachIndexed(next, func(attributeName, value string) {
		t.valuesFor(attributeName).ReplaceOrInsert(valueItem{value, next})
	})
}

// leave takes old out of every place that next, its later state, does not take over.
func (t *tree) leave(old, next *node) {
	if next == nil {
		delete(t.nodes, old.guid)
		t.order.Delete(old)
		t.guids.Delete(old)
	}
	if next == nil || next.parent != old.parent || next.key != old.key {
		t.children.Delete(old)
	}
	type place struct{ attributeName, value string }
	var kept []place
	if next != nil {
		t.eachIndexed(next, func(attributeName, value string) { kept = append(kept, place{attributeName, value}) })
	}
	t.eachIndexed(old, func(attributeName, value string) {
		if !slices.Contains(kept, place{attributeName, value}) {
			t.valuesFor(attributeName).Delete(valueItem{value, old})
		}
	})
}

// valuesFor is the index of an attribute, made when it is first used.
func (t *tree) valuesFor(attributeName string) *btree.BTreeG[valueItem] {
	index := t.values[attributeName]
	if index == nil {
		index = btree.NewG(degree, func(a, b valueItem) bool {
			return cmp.Or(strings.Compare(a.value, b.value), slices.Compare(a.node.guid[:], b.node.guid[:])) < 0
		})
		t.values[attributeName] = index
	}
	return index
}

// eachIndexed visits what the indexes have of an entry: its name, and the values of indexed attributes in normal form.
func (t *tree) eachIndexed(n *node, visit func(attributeName, value string)) {
	for attributeName, values := range n.attributes.each() {
		a := t.schema.attribute(attributeName)
		if a == nil || !a.indexed {
			continue
		}
		for _, value := range values {
			if normal, err := a.normalize(value); err == nil {
				visit(a.name, normal)
			}
		}
	}
	_, value, _ := strings.Cut(n.key, "=")
	visit("name", value)
}

// The functions below read the tree; their callers hold mu, at least for reading.

// child is the entry of that name below parent.
func (t *tree) child(parent store.GUID, key string) *node {
	var found *node
	t.children.AscendGreaterOrEqual(&node{parent: parent, key: key}, func(n *node) bool {
		if n.parent == parent && n.key == key {
			found = n
		}
		return false
	})
	return found
}

func (t *tree) hasChildren(parent store.GUID) bool {
	found := false
	t.children.AscendGreaterOrEqual(&node{parent: parent}, func(n *node) bool {
		found = n.parent == parent
		return false
	})
	return found
}

// childrenOf is the entries below parent; false when there are more than most.
func (t *tree) childrenOf(parent *node, most int) (found []*node, ok bool) {
	ok = true
	t.children.AscendGreaterOrEqual(&node{parent: parent.guid}, func(n *node) bool {
		if n.parent != parent.guid {
			return false
		}
		found = append(found, n)
		ok = len(found) <= most
		return ok
	})
	return found, ok
}

// nowhere stands before every entry in an index.
var nowhere = &node{}

// lookup is the entries that have that value, already normalized, of an indexed attribute.
func (t *tree) lookup(attributeName, value string) []*node {
	found, _ := t.having(attributeName, value, func(v string) bool { return v == value }, math.MaxInt)
	return found
}

// having is the entries with a value of an indexed attribute from first on, for as long as it is within the range, each
// once; false when there are more than most.
func (t *tree) having(attributeName, first string, within func(value string) bool, most int) (found []*node, ok bool) {
	index := t.values[attributeName]
	if index == nil {
		return nil, true
	}
	ok = true
	var seen map[*node]bool
	index.AscendGreaterOrEqual(valueItem{first, nowhere}, func(item valueItem) bool {
		if !within(item.value) {
			return false
		}
		if seen[item.node] {
			return true
		}
		if item.value != first { // an entry has no value twice
			if seen == nil {
				seen = map[*node]bool{}
				for _, n := range found {
					seen[n] = true
				}
			}
			seen[item.node] = true
		}
		found = append(found, item.node)
		ok = len(found) <= most
		return ok
	})
	return found, ok
}
