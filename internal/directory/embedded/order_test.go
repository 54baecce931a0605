package embedded

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/store"
)

// FuzzOrderCookie: a client may give any bytes for a cookie. What is read is written again as it was.
func FuzzOrderCookie(f *testing.F) {
	s := newSchema()
	o := ordering{attributes: []*attribute{s.attribute("sn"), s.attribute("uidNumber")}, reverse: []bool{false, true}}
	f.Add(sortable{&node{created: 7, guid: store.GUID{1, 2}}, []sortKey{{value: "doe"}, {missing: true}}}.cookie())
	f.Add(sortable{&node{}, []sortKey{{missing: true}, {value: "12"}}}.cookie())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, cookie []byte) {
		read, err := o.parse(cookie)
		if err != nil {
			return
		}
		again, err := o.parse(read.cookie())
		if err != nil || o.compare(read, again) != 0 {
			t.Errorf("%x was read as %+v, then as %+v: %v", cookie, read.keys, again.keys, err)
		}
	})
}

// FuzzPart: whatever a client writes behind an attribute's name, the part is within the values.
func FuzzPart(f *testing.F) {
	for _, description := range []string{"member;range=0-1499", "member;range=1500-*", "member;binary;Range=3-3", "member;range=5-1", "member;range=-1-9"} {
		f.Add(description, 2000)
	}
	f.Fuzz(func(t *testing.T, description string, count int) {
		count &= math.MaxInt16
		p := parsePart(description)
		first, end, named := p.cut("member", count)
		if first < 0 || first > end || end > count || p.asked && end-first > maxValues {
			t.Errorf("%q of %d values: %d to %d", description, count, first, end)
		}
		if p.asked && end < count && named != "" && parsePart(named) != (part{true, first, end - 1}) && first < end {
			t.Errorf("%q of %d values is named %s", description, count, named)
		}
	})
}

func TestPart(t *testing.T) {
	for _, c := range []struct {
		description string
		count       int
		first, end  int
		named       string
	}{
		{"member", 5000, 0, 5000, "member"},
		{"member;range=0-*", 5000, 0, 1500, "member;range=0-1499"},
		{"member;range=0-9", 5000, 0, 10, "member;range=0-9"},
		{"member;range=4500-5999", 5000, 4500, 5000, "member;range=4500-*"},
		{"member;range=0-4999", 3, 0, 3, "member;range=0-*"},
		{"member;range=9-12", 3, 3, 3, "member;range=3-*"},
		{"member;range=x-12", 3, 0, 3, "member"},
	} {
		first, end, named := parsePart(c.description).cut("member", c.count)
		if diff := cmp.Diff([]any{c.first, c.end, c.named}, []any{first, end, named}); diff != "" {
			t.Errorf("%s: %s", c.description, diff)
		}
	}
}
