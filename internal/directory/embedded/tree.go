package embedded

import (
	"cmp"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/btree"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// node is one entry in memory. It is never changed once it is in the tree: a change makes a new one.
type node struct {
	guid       store.GUID
	parent     store.GUID
	rdn        string // as written, "CN=Jane Doe"
	key        string // the same in the form that RDNs are compared in
	class      *class
	attributes record // by the schema's names
	secret     []byte
	created    int64
	revision   int64
}

func (n *node) first(attribute string) string { return n.attributes.first(attribute) }

func (n *node) position() position { return position{n.created, n.guid} }

func (n *node) sid() directory.SID { return directory.SID(n.first("objectSid")) }

type (
	valueItem struct {
		value string
		node  *node
	}
	position struct {
		created int64
		guid    store.GUID
	}
	linkItem struct {
		attribute string
		from, to  store.GUID
		revision  int64
	}
)

func (a position) compare(b position) int {
	return cmp.Or(cmp.Compare(a.created, b.created), slices.Compare(a.guid[:], b.guid[:]))
}

// tree is a directory's entries in memory: what the store holds, indexed. It follows the store; a writer of this process
// also applies its own change at once, so that what it acknowledged is there for the next reader.
type tree struct {
	domain directory.Domain
	base   name
	baseDN string
	schema *schema
	logger *slog.Logger

	mu       sync.RWMutex
	readings int   // how often the tree was read from its beginning
	revision int64 // of the newest change that has been applied
	root     store.GUID
	nodes    map[store.GUID]*node
	children *btree.BTreeG[*node]                // by parent and name
	order    *btree.BTreeG[*node]                // by position
	guids    *btree.BTreeG[*node]                // by GUID
	values   map[string]*btree.BTreeG[valueItem] // by attribute
	forward  *btree.BTreeG[linkItem]
	backward *btree.BTreeG[linkItem]
	// gone remembers what this process deleted until the store's stream has told it too.
	gone      map[store.GUID]int64
	goneLinks map[store.Link]int64

	writers    [64]sync.Mutex // one writer of this process at a time on an entry
	now        func() time.Time
	configured atomic.Pointer[configuration]
	rids       ridPool
}

const degree = 32

func newTree(domain directory.Domain, s *schema, logger *slog.Logger) (*tree, error) {
	base, err := parseDN(domain.BaseDN())
	if err != nil {
		return nil, err
	}
	t := &tree{domain: domain, base: base, baseDN: domain.BaseDN(), schema: s.ofOne(), logger: logger, now: time.Now}
	t.reset()
	return t, nil
}

func (t *tree) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readings++
	t.root = store.GUID{}
	t.nodes = map[store.GUID]*node{}
	t.gone = map[store.GUID]int64{}
	t.goneLinks = map[store.Link]int64{}
	t.values = map[string]*btree.BTreeG[valueItem]{}
	t.children = btree.NewG(degree, func(a, b *node) bool {
		return cmp.Or(slices.Compare(a.parent[:], b.parent[:]), strings.Compare(a.key, b.key), slices.Compare(a.guid[:], b.guid[:])) < 0
	})
	t.order = btree.NewG(degree, func(a, b *node) bool { return a.position().compare(b.position()) < 0 })
	t.guids = btree.NewG(degree, func(a, b *node) bool { return slices.Compare(a.guid[:], b.guid[:]) < 0 })
	lessLink := func(a, b linkItem) bool {
		return cmp.Or(strings.Compare(a.attribute, b.attribute), slices.Compare(a.from[:], b.from[:]), slices.Compare(a.to[:], b.to[:])) < 0
	}
	t.forward = btree.NewG(degree, lessLink)
	t.backward = btree.NewG(degree, lessLink)
}

// apply takes changes from the store, or the same changes from the writer that made them, in any order of the two.
func (t *tree) apply(changes []store.TreeChange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, change := range changes {
		t.revision = max(t.revision, change.Revision)
		if change.Link != nil {
			t.applyLink(change)
		} else if err := t.applyEntry(change); err != nil {
			t.logger.Error("an entry can't be read", "directory", t.domain.ID, "err", err)
		}
	}
}

func (t *tree) newest() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.revision
}

func (t *tree) applyEntry(change store.TreeChange) error {
	guid := change.GUID
	if gone, ok := t.gone[guid]; ok {
		if change.Revision >= gone {
			delete(t.gone, guid)
		}
		return nil
	}
	old := t.nodes[guid]
	if old != nil && old.revision >= change.Revision {
		return nil
	}
	var entry *store.Entry
	if !change.Gone {
		var err error
		if entry, err = change.Entry(); err != nil {
			return err
		}
	}
	if change.Gone {
		t.put(old, nil)
		return nil
	}
	n := &node{
		guid: guid, parent: entry.Parent, rdn: entry.RDN, key: rdnKey(splitRDN(entry.RDN)), secret: entry.Secret,
		created: entry.Created, revision: change.Revision, class: t.schema.structural(entry.Attributes["objectClass"]),
	}
	n.attributes = newRecord(entry.Attributes, &n.rdn, &n.key)
	t.put(old, n)
	return nil
}

// forget applies a deletion of this process, and guards against older news of the entry that is still on its way.
func (t *tree) forget(n *node, links []store.Link, revision int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.nodes[n.guid]; old != nil {
		t.put(old, nil)
		t.gone[n.guid] = revision
	}
	for _, link := range links {
		t.dropLink(link, revision)
	}
}

// dropLink applies the removal of a link by this process. The caller holds mu.
func (t *tree) dropLink(link store.Link, revision int64) {
	if t.removeLink(link) {
		t.goneLinks[link] = revision
	}
}

func (t *tree) removeLink(link store.Link) bool {
	_, there := t.forward.Delete(linkItem{attribute: link.Attribute, from: link.Source, to: link.Target})
	t.backward.Delete(linkItem{attribute: link.Attribute, from: link.Target, to: link.Source})
	return there
}

func (t *tree) applyLink(change store.TreeChange) {
	link := *change.Link
	if gone, ok := t.goneLinks[link]; ok && change.Revision <= gone {
		if change.Revision == gone {
			delete(t.goneLinks, link)
		}
		return
	}
	old, ok := t.forward.Get(linkItem{attribute: link.Attribute, from: link.Source, to: link.Target})
	if ok && old.revision >= change.Revision {
		return
	}
	if change.Gone {
		t.removeLink(link)
		return
	}
	t.forward.ReplaceOrInsert(linkItem{link.Attribute, link.Source, link.Target, change.Revision})
	t.backward.ReplaceOrInsert(linkItem{link.Attribute, link.Target, link.Source, change.Revision})
}

func (t *tree) rootGUID() store.GUID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.root
}

// The functions below read the tree; their callers hold mu, at least for reading.

// linked is what a link attribute of n points to, or, with the index backward, what points to n.
func (t *tree) linked(index *btree.BTreeG[linkItem], attributeName string, guid store.GUID) []*node {
	found, _ := t.linkedUpTo(index, attributeName, guid, math.MaxInt)
	return found
}

// linkedUpTo is the same; false when there are more than most.
func (t *tree) linkedUpTo(index *btree.BTreeG[linkItem], attributeName string, guid store.GUID, most int) (found []*node, ok bool) {
	ok = true
	index.AscendGreaterOrEqual(linkItem{attribute: attributeName, from: guid}, func(item linkItem) bool {
		if item.attribute != attributeName || item.from != guid {
			return false
		}
		// The stream may tell of a link before it tells of the entry.
		if n := t.nodes[item.to]; n != nil {
			found = append(found, n)
		}
		ok = len(found) <= most
		return ok
	})
	return found, ok
}

// closure is everything that is reached from n over links of that index, without n unless a circle leads back.
func (t *tree) closure(index *btree.BTreeG[linkItem], attributeName string, from ...*node) map[store.GUID]*node {
	return t.closureThrough(index, attributeName, func(*node) bool { return true }, from...)
}

// closureThrough is the same by way of those alone that through lets pass.
func (t *tree) closureThrough(index *btree.BTreeG[linkItem], attributeName string, through func(*node) bool, from ...*node) map[store.GUID]*node {
	seen := map[store.GUID]*node{}
	for len(from) > 0 {
		at := from[len(from)-1]
		from = from[:len(from)-1]
		for _, next := range t.linked(index, attributeName, at.guid) {
			if seen[next.guid] == nil && through(next) {
				seen[next.guid] = next
				from = append(from, next)
			}
		}
	}
	return seen
}

// dn is the distinguished name of n.
func (t *tree) dn(n *node) string {
	var short [256]byte
	text := short[:0]
	for n != nil && n.guid != t.root {
		text = append(appendRDN(text, n.rdn), ',')
		n = t.nodes[n.parent]
	}
	return string(append(text, t.baseDN...))
}

// below says whether n is ancestor or lies below it.
func (t *tree) below(n, ancestor *node) bool {
	for n != nil {
		if n.guid == ancestor.guid {
			return true
		}
		n = t.nodes[n.parent]
	}
	return false
}

// covers says whether a name lies in this tree's naming context.
func (t *tree) covers(n name) bool {
	return len(n) >= len(t.base) && slices.Equal(n[len(n)-len(t.base):], t.base)
}

// resolve finds the entry of that name. Without one it gives the nearest entry above.
func (t *tree) resolve(n name) (found, nearest *node) {
	at := t.nodes[t.root]
	if at == nil || !t.covers(n) {
		return nil, nil
	}
	for i := len(n) - len(t.base) - 1; i >= 0; i-- {
		next := t.child(at.guid, n[i])
		if next == nil {
			return nil, at
		}
		at = next
	}
	return at, at
}

// groups is every security group that n is in: its primary group, the groups it is a member of, and the groups these are
// members of (MS-ADTS section 3.1.1.4.5.19, tokenGroups).
func (t *tree) groups(n *node) []*node {
	start := []*node{n}
	var all []*node
	if primary := n.first("primaryGroupID"); primary != "" {
		if rid, err := parseRID(primary); err == nil {
			for _, group := range t.lookup("objectSid", string(t.domain.SID.Child(rid))) {
				start = append(start, group)
				all = append(all, group)
			}
		}
	}
	reached := t.closureThrough(t.backward, "member", isSecurityGroup, start...)
	for _, group := range all {
		delete(reached, group.guid)
	}
	for _, group := range reached {
		all = append(all, group)
	}
	all = slices.DeleteFunc(all, func(group *node) bool { return group.sid() == "" || !isSecurityGroup(group) })
	slices.SortFunc(all, func(a, b *node) int { return a.position().compare(b.position()) })
	return all
}
