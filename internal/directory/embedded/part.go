package embedded

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxValues is AD's MaxValRange: who asks for a part of an attribute's values gets at most so many (MS-ADTS section
// 3.1.1.3.4.6). Who asks for no part gets all.
const maxValues = 1500

// part is which values of an attribute a search gives: "member;range=0-1499" (MS-ADTS section 3.1.1.3.1.3.3). Without one it
// is zero.
type part struct {
	asked       bool
	first, last int
}

// parsePart reads the options of an attribute description. Options that say nothing about a part change nothing.
func parsePart(description string) part {
	_, options, _ := strings.Cut(description, ";")
	for option := range strings.SplitSeq(options, ";") {
		if len(option) < len("range=") || !strings.EqualFold(option[:len("range=")], "range=") {
			continue
		}
		from, to, _ := strings.Cut(option[len("range="):], "-")
		first, err := strconv.Atoi(from)
		last := math.MaxInt
		if err == nil && to != "*" {
			last, err = strconv.Atoi(to)
		}
		if err == nil && first >= 0 && last >= first {
			return part{true, first, last}
		}
	}
	return part{}
}

// cut is the part of count values, and how the answer names it: the last part ends with "*".
func (p part) cut(name string, count int) (first, end int, named string) {
	if !p.asked {
		return 0, count, name
	}
	first = min(p.first, count)
	end = first + min(count-first, maxValues)
	if p.last < math.MaxInt {
		end = min(end, max(first, p.last+1))
	}
	if end == count {
		return first, end, fmt.Sprintf("%s;range=%d-*", name, first)
	}
	return first, end, fmt.Sprintf("%s;range=%d-%d", name, first, end-1)
}

// partOf is the values of a part. Of links, which can be a hundred thousand, no others are looked at. The caller holds mu.
func (t *tree) partOf(n *node, a *attribute, p part) (values []string, named string) {
	var linked []*node
	switch {
	case a.link:
		linked = t.linked(t.forward, a.name, n.guid)
	case a.front != "":
		linked = t.linked(t.backward, a.front, n.guid)
	default:
		values = t.valuesOf(n, a)
		first, end, named := p.cut(a.name, len(values))
		return values[first:end], named
	}
	first, end, named := p.cut(a.name, len(linked))
	return t.dns(linked[first:end]), named
}
