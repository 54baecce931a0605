package directory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// shelf is entries by their GUIDs that can be asked for a range of them, in no order, as a domain controller is. It keeps no more
// of a result than the page that was asked for.
type shelf struct {
	Conn

	guids    [][16]byte
	searches int
	given    int
	open     int // searches whose further pages nobody has asked for, nor given up
}

func (s *shelf) Search(_ context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	paging := ldap.FindControl(request.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	if paging.PagingSize == 0 {
		s.open--
		return &ldap.SearchResult{}, nil
	}
	s.searches++
	filter, err := ldap.CompileFilter(request.Filter)
	if err != nil {
		return nil, err
	}
	low, high := string(make([]byte, 16)), strings.Repeat("\xff", 16)
	for _, part := range filter.Children {
		switch part.Tag {
		case ldap.FilterGreaterOrEqual:
			low = part.Children[1].Data.String()
		case ldap.FilterLessOrEqual:
			high = part.Children[1].Data.String()
		}
	}
	result := &ldap.SearchResult{}
	for _, guid := range s.guids {
		if text := string(guid[:]); text < low || text > high {
			continue
		}
		if len(result.Entries) == int(paging.PagingSize) {
			s.open++
			result.Controls = append(result.Controls, &ldap.ControlPaging{Cookie: []byte("more")})
			break
		}
		s.given++
		result.Entries = append(result.Entries, ldap.NewEntry(fmt.Sprintf("CN=%x", guid), map[string][]string{
			"objectGUID": {string(guid[:])}, "objectSid": {string(SIDAdministrators)}, "sAMAccountName": {string(guid[:])},
		}))
	}
	return result, nil
}

func randomGUIDs(count int) [][16]byte {
	source := rand.NewChaCha8([32]byte{1})
	guids := make([][16]byte, count)
	for i := range guids {
		_, _ = source.Read(guids[i][:])
	}
	return guids
}

// TestPage: each entry comes once and in order, whatever the sizes and however the GUIDs lie, by few searches.
func TestPage(t *testing.T) {
	domain := Domain{Name: "corp.example.com"}
	crowded := randomGUIDs(3000)
	for i := range crowded {
		copy(crowded[i][:3], []byte{7, 7, 7})
	}
	for name, c := range map[string]struct {
		guids    [][16]byte
		limit    int
		searches int // at most, a page
	}{
		"nobody":            {nil, 250, 1},
		"one page":          {randomGUIDs(200), 250, 1},
		"just a page":       {randomGUIDs(250), 250, 1},
		"a page and one":    {randomGUIDs(251), 250, 3},
		"small pages":       {randomGUIDs(100), 1, 8},
		"thousands":         {randomGUIDs(5000), 250, 8},
		"close together":    {crowded, 100, 20},
		"many, small pages": {randomGUIDs(20000), 10, 8},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{guids: c.guids}
			var names []string
			at, pages := Place{}, 0
			for done := false; !done; pages++ {
				var page []Principal
				var err error
				before := s.searches
				page, at, done, err = Page(t.Context(), s, domain, []string{"(objectClass=user)"}, nil, at, c.limit)
				if err != nil {
					t.Fatal(err)
				}
				if !done && len(page) != c.limit {
					t.Fatalf("a page of %d in between", len(page))
				}
				if made := s.searches - before; made > c.searches && pages > 0 {
					t.Errorf("page %d took %d searches", pages, made)
				}
				for _, p := range page {
					names = append(names, p.Name)
				}
			}
			want := make([]string, len(c.guids))
			for i, guid := range c.guids {
				want[i] = string(guid[:])
			}
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("%d came of %d", len(names), len(want))
			}
			if s.open != 0 {
				t.Errorf("%d searches are open", s.open)
			}
			t.Logf("%d pages, %d searches, %d entries given", pages, s.searches, s.given)
		})
	}
	t.Run("one filter after the other", func(t *testing.T) {
		s := &shelf{guids: randomGUIDs(5)}
		count := 0
		for at, done := (Place{}), false; !done; {
			var page []Principal
			var err error
			if page, at, done, err = Page(t.Context(), s, domain, []string{"(a=b)", "(c=d)"}, nil, at, 3); err != nil {
				t.Fatal(err)
			}
			count += len(page)
		}
		if count != 10 {
			t.Errorf("%d came", count)
		}
	})
	t.Run("too close to be told apart", func(t *testing.T) {
		same := make([][16]byte, 40)
		for i := range same {
			binary.BigEndian.PutUint64(same[i][8:], uint64(i))
		}
		if _, _, _, err := Page(t.Context(), &shelf{guids: same}, domain, []string{"(a=b)"}, nil, Place{}, 5); !errors.Is(err, ErrTooMany) {
			t.Errorf("got %v", err)
		}
	})
}
