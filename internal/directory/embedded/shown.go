package embedded

import (
	"slices"
	"strings"
)

// linksInUse is the link attributes that some entry of the directory has, and their other sides. The caller holds mu.
func (t *tree) linksInUse() []*attribute {
	var found []*attribute
	for at := ""; ; at += "\x00" {
		next := ""
		t.forward.AscendGreaterOrEqual(linkItem{attribute: at}, func(item linkItem) bool {
			next = item.attribute
			return false
		})
		if next == "" {
			return found
		}
		at = next
		if a := t.schema.attribute(at); a != nil {
			found = append(found, a)
			if back := t.schema.attribute(a.back); back != nil {
				found = append(found, back)
			}
		}
	}
}

// shown is the attributes that "*" means for an entry, in the order of their names: what is stored, what links it has, and
// what every entry has.
func (s selection) shown(n *node) []*attribute {
	found := slices.Concat(s.tree.schema.shown, s.links)
	for name := range n.attributes.each() {
		if a := s.tree.schema.attribute(name); a != nil && !a.asked && !a.virtual {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b *attribute) int { return strings.Compare(a.name, b.name) })
	return found
}
