package embedded

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// plainTree is a tree of a domain and people below it, person1 the oldest, without a store.
func plainTree(t testing.TB, people int) *tree {
	t.Helper()
	domain := directory.Domain{ID: "d-1234567890", Kind: directory.SimpleAD, Name: "corp.example.com", NetBIOS: "CORP"}
	made, err := newTree(domain, newSchema(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	entries := []*store.Entry{{GUID: store.GUID{1}, RDN: "DC=corp", Created: 1, Attributes: map[string][]string{"objectClass": {"top", "domain", "domainDNS"}}}}
	for i := 1; i <= people; i++ {
		entries = append(entries, numbered(i))
	}
	var changes []store.TreeChange
	for _, entry := range entries {
		changes = append(changes, store.Changed(entry, entry.Created))
	}
	made.apply(changes)
	return made
}

func numbered(i int) *store.Entry {
	guid := store.GUID{2}
	binary.BigEndian.PutUint32(guid[12:], uint32(i*2654435761)) // in another order than they are made
	name := fmt.Sprintf("person%d", i)
	return &store.Entry{GUID: guid, Parent: store.GUID{1}, RDN: "CN=" + name, Created: int64(i + 1), Attributes: map[string][]string{
		"objectClass": {"top", "person", "organizationalPerson", "user"}, "sAMAccountName": {name}, "displayName": {fmt.Sprintf("Person %d", i)},
		"mail": {name + "@example.com"}, "description": {fmt.Sprintf("number %d", i%10)},
	}}
}

// blocking is a filter that matches everything, after it has called at.
type blocking struct {
	everything
	at func(*node)
}

func (p blocking) match(_ *tree, n *node) verdict {
	p.at(n)
	return yes
}

// aWriterAfter is a scan during which write runs as soon as a writer is let through after the first entry.
func aWriterAfter(t *testing.T, tr *tree, write func()) (seen []string, err error) {
	t.Helper()
	done := make(chan struct{})
	first := true
	s := scan{tree: tr, scope: ldap.ScopeWholeSubtree, limit: 1 << 20, visit: func(n *node) { seen = append(seen, n.rdn) }}
	s.filter = blocking{at: func(*node) {
		if !first {
			return
		}
		first = false
		go func() {
			defer close(done)
			tr.mu.Lock()
			defer tr.mu.Unlock()
			write()
		}()
		for tr.mu.TryRLock() { // until the writer waits
			tr.mu.RUnlock()
			runtime.Gosched()
		}
	}}
	tr.mu.RLock()
	s.base = tr.nodes[tr.root]
	err = s.run(t.Context())
	tr.mu.RUnlock()
	<-done
	return seen, err
}

func TestSearchLetsWritersThrough(t *testing.T) {
	const people = 3 * breathEvery
	t.Run("each entry is seen as it is at its turn", func(t *testing.T) {
		tr := plainTree(t, people)
		seen, err := aWriterAfter(t, tr, func() {
			tr.put(tr.nodes[numbered(people-1).GUID], nil)
			late := numbered(people + 1)
			tr.put(nil, &node{guid: late.GUID, parent: late.Parent, rdn: late.RDN, key: "cn=late", created: late.Created})
		})
		want := []string{"DC=corp"}
		for i := 1; i <= people+1; i++ {
			if i != people-1 {
				want = append(want, fmt.Sprintf("CN=person%d", i))
			}
		}
		if err != nil || !slices.Equal(seen, want) {
			t.Errorf("%v: %d entries, the last %s", err, len(seen), seen[len(seen)-1])
		}
	})
	t.Run("the base is deleted", func(t *testing.T) {
		tr := plainTree(t, people)
		_, err := aWriterAfter(t, tr, func() { tr.put(tr.nodes[tr.root], nil) })
		if !ldap.IsErrorWithCode(err, ldap.LDAPResultBusy) {
			t.Errorf("%v, want busy", err)
		}
	})
}

func TestCandidates(t *testing.T) {
	tr := plainTree(t, 5000)
	group := store.GUID{3}
	changes := []store.TreeChange{store.Changed(&store.Entry{GUID: group, Parent: store.GUID{1}, RDN: "CN=staff", Created: 9000, Attributes: map[string][]string{"objectClass": {"top", "group"}}}, 9000)}
	for i := 1; i <= 4000; i++ {
		changes = append(changes, store.TreeChange{Link: &store.Link{Attribute: "member", Source: group, Target: numbered(i).GUID}, Revision: 9001})
	}
	tr.apply(changes)
	for _, c := range []struct {
		filter  string
		want    int // candidates; -1: no index helps
		matches int
	}{
		{"(sAMAccountName=PERSON7)", 1, 1},
		{"(mail=person7@example.com)", 1, 1},
		{"(mail=nobody@example.com)", 0, 0},
		{"(displayName=person 123*)", 11, 11},
		{"(displayName=person*)", -1, 5000},
		{"(cn=person12*)", 111, 111},
		{"(description=number 7)", -1, 500},
		{"(memberOf=CN=staff,DC=corp,DC=example,DC=com)", -1, 4000},
		{"(memberOf=CN=nobody,DC=corp,DC=example,DC=com)", 0, 0},
		{"(&(memberOf=CN=staff,DC=corp,DC=example,DC=com)(sAMAccountName=person4001))", 1, 0},
		{"(&(displayName=person 12*)(memberOf=CN=staff,DC=corp,DC=example,DC=com)(objectClass=user))", 111, 111},
		{"(|(sAMAccountName=person1)(sAMAccountName=person2)(cn=person1))", 2, 2},
		{"(|(sAMAccountName=person1)(description=number 1))", -1, 500},
		{"(!(sAMAccountName=person1))", -1, 5001},
		{"(uid=*)", 0, 0},
		{`(&(objectGUID>=\01` + strings.Repeat(`\00`, 15) + `)(objectGUID<=\02` + strings.Repeat(`\00`, 15) + `)(objectClass=*))`, 1, 1},
		{`(&(objectGUID>=\01` + strings.Repeat(`\00`, 15) + `)(objectClass=domainDNS))`, -1, 1},
		{"(distinguishedName=CN=person9,DC=corp,DC=example,DC=com)", 1, 1},
		{"(member=CN=person9,DC=corp,DC=example,DC=com)", 1, 1},
		{"(member=CN=person4001,DC=corp,DC=example,DC=com)", 0, 0},
	} {
		t.Run(c.filter, func(t *testing.T) {
			filter, err := tr.compileFilter(c.filter)
			if err != nil {
				t.Fatal(err)
			}
			found, ok := filter.candidates(tr, 2000)
			if ok && len(found) != c.want || !ok && c.want >= 0 {
				t.Errorf("%d candidates, %t; want %d", len(found), ok, c.want)
			}
			var orders [2][]store.GUID
			for i, limit := range []int{1, 1 << 20} { // few candidates are worthwhile, and many
				s := scan{tree: tr, base: tr.nodes[tr.root], scope: ldap.ScopeWholeSubtree, filter: filter, limit: limit, visit: func(n *node) { orders[i] = append(orders[i], n.guid) }}
				for s.more = true; s.more; s.after, s.count = s.last, 0 {
					s.more = false
					tr.mu.RLock()
					err := s.run(t.Context())
					tr.mu.RUnlock()
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			if !slices.Equal(orders[0], orders[1]) || len(orders[0]) != c.matches {
				t.Errorf("%d entries by pages and %d at once, want %d", len(orders[0]), len(orders[1]), c.matches)
			}
		})
	}
}

func BenchmarkSearch(b *testing.B) {
	tr := plainTree(b, 100_000)
	for name, filter := range map[string]string{
		"by account name": "(sAMAccountName=person77)", "not indexed, nobody": "(description=nothing)", "first page of all": "(objectClass=user)",
		"a range of objectGUID": `(&(objectGUID>=\02` + strings.Repeat(`\00`, 11) + `\40\00\00\00)(objectGUID<=\02` + strings.Repeat(`\00`, 11) + `\40\a0\00\00)(sAMAccountName=*))`,
	} {
		b.Run(name, func(b *testing.B) {
			request := ldap.NewSearchRequest("DC=corp,DC=example,DC=com", ldap.ScopeWholeSubtree, 0, 0, 0, false, filter, []string{"cn", "mail"}, []ldap.Control{ldap.NewControlPaging(1000)})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.search(b.Context(), request, readable); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
