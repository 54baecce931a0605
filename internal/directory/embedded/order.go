package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// maxSorted is how many entries a search sorts; AD's MaxTempTableSize is a tenth of it.
const maxSorted = 100_000

// sortable is an entry with what it is sorted by.
type sortable struct {
	node *node
	keys []sortKey
}

// sortKey is an attribute's least value in normal form; without one an entry comes after all that have one (RFC 2891 section
// 2.2).
type sortKey struct {
	missing bool
	value   string
}

// ordering is what entries are sorted by. Those that are equal keep the order in which they were made.
type ordering struct {
	tree       *tree
	attributes []*attribute
	reverse    []bool
}

// newOrdering reads the keys. Its error is the code that goes into the answer (RFC 2891 section 1.2).
func (t *tree) newOrdering(keys []ldap.SortKey) (ordering, *directory.SortResult) {
	o := ordering{tree: t}
	for _, key := range keys {
		a := t.schema.attribute(key.AttributeType)
		switch {
		case a == nil:
			return o, &directory.SortResult{Code: ldap.LDAPResultNoSuchAttribute, Attribute: key.AttributeType}
		case a.unkept || a.syntax == octets || key.MatchingRule != "" && !isOrderingRule(key.MatchingRule):
			return o, &directory.SortResult{Code: ldap.LDAPResultInappropriateMatching, Attribute: key.AttributeType}
		}
		o.attributes, o.reverse = append(o.attributes, a), append(o.reverse, key.Reverse)
	}
	return o, nil
}

// isOrderingRule knows the ordering rules of RFC 4517 and AD's, which are one for each language (MS-ADTS section
// 3.1.1.3.4.1.13): all mean the order that the attribute's syntax has.
func isOrderingRule(rule string) bool {
	return strings.HasPrefix(rule, "1.2.840.113556.1.4.") || strings.HasPrefix(rule, "2.5.13.") || strings.HasSuffix(rule, "OrderingMatch")
}

func (o ordering) of(n *node) sortable {
	s := sortable{node: n, keys: make([]sortKey, len(o.attributes))}
	for i, a := range o.attributes {
		s.keys[i].missing = true
		for _, value := range o.tree.valuesOf(n, a) {
			normal, err := a.normalize(value)
			if err == nil && (s.keys[i].missing || a.compare(normal, s.keys[i].value) < 0) {
				s.keys[i] = sortKey{value: normal}
			}
		}
	}
	return s
}

// compare orders two values in normal form.
func (a *attribute) compare(left, right string) int {
	if a.syntax != integer {
		return strings.Compare(left, right)
	}
	l, _ := strconv.ParseInt(left, 10, 64)
	r, _ := strconv.ParseInt(right, 10, 64)
	return cmp.Compare(l, r)
}

func (o ordering) compareKey(i int, left, right sortKey) int {
	order := 0
	switch {
	case left.missing || right.missing:
		if left.missing != right.missing {
			order = 1
		}
		if right.missing {
			order = -order
		}
	default:
		order = o.attributes[i].compare(left.value, right.value)
	}
	if o.reverse[i] {
		return -order
	}
	return order
}

func (o ordering) compare(left, right sortable) int {
	for i := range o.attributes {
		if order := o.compareKey(i, left.keys[i], right.keys[i]); order != 0 {
			return order
		}
	}
	return left.node.position().compare(right.node.position())
}

// sorted is a search whose entries come in the order that the client asks for: all, a page, or a window of them (RFC 2891). The
// caller holds mu.
func (t *tree) sorted(ctx context.Context, base *node, filter predicate, request *ldap.SearchRequest, asked func(*attribute) bool) (*ldap.SearchResult, error) {
	wish, _ := ldap.FindControl(request.Controls, ldap.ControlTypeServerSideSorting).(*directory.Sort)
	window, _ := ldap.FindControl(request.Controls, ldap.ControlTypeVLVRequest).(*directory.VirtualList)
	paging, _ := ldap.FindControl(request.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	switch {
	case wish == nil:
		answer := &directory.VirtualListResult{Code: ldap.LDAPResultSortControlMissing}
		return &ldap.SearchResult{Controls: []ldap.Control{answer}}, refuse(ldap.LDAPResultSortControlMissing, "", "a window of a list needs an order")
	case window != nil && paging != nil:
		return nil, refuse(ldap.LDAPResultUnwillingToPerform, "00002120", "a list comes in windows or in pages")
	case window != nil && int64(window.Before)+int64(window.After)+1 > maxPage:
		return nil, refuse(ldap.LDAPResultUnwillingToPerform, "", "the window has more than "+strconv.Itoa(maxPage)+" entries")
	}
	o, failed := t.newOrdering(wish.Keys)
	var all []sortable
	if failed == nil {
		s := scan{tree: t, base: base, scope: request.Scope, filter: filter, limit: maxSorted, visit: func(n *node) { all = append(all, o.of(n)) }}
		if err := s.run(ctx); err != nil {
			return nil, err
		}
		if s.more {
			failed = &directory.SortResult{Code: ldap.LDAPResultAdminLimitExceeded}
		}
	}
	if failed != nil {
		return t.unsorted(ctx, request, wish, window, failed, asked)
	}
	slices.SortFunc(all, o.compare)
	result := &ldap.SearchResult{Controls: []ldap.Control{&directory.SortResult{}}}
	var err error
	switch {
	case window != nil:
		var answer *directory.VirtualListResult
		if all, answer, err = o.window(all, window); answer != nil {
			result.Controls = append(result.Controls, answer)
		}
	case paging != nil:
		var answer *ldap.ControlPaging
		if all, answer, err = o.page(all, paging); answer != nil {
			result.Controls = append(result.Controls, answer)
		}
	case len(all) > maxPage:
		all, err = all[:maxPage], refuse(ldap.LDAPResultSizeLimitExceeded, "", "the search has more results than its limit")
	}
	if request.SizeLimit > 0 && len(all) > request.SizeLimit && paging == nil {
		all, err = all[:request.SizeLimit], refuse(ldap.LDAPResultSizeLimitExceeded, "", "the search has more results than its limit")
	}
	selection := t.newSelection(request.Attributes, request.TypesOnly)
	for _, each := range all {
		// A long scan lets writers through: the entry may be another by now, or gone.
		if n := t.nodes[each.node.guid]; n != nil {
			result.Entries = append(result.Entries, selection.entry(n, asked))
		}
	}
	return result, err
}

// unsorted is the answer where the order can't be had: a refusal to who insists on it, the entries as they come to others (RFC
// 2891 section 2).
func (t *tree) unsorted(ctx context.Context, request *ldap.SearchRequest, wish *directory.Sort, window *directory.VirtualList, failed *directory.SortResult, asked func(*attribute) bool) (*ldap.SearchResult, error) {
	if wish.Critical || window != nil {
		return &ldap.SearchResult{Controls: []ldap.Control{failed}}, refuse(ldap.LDAPResultUnavailableCriticalExtension, "", "the entries can't be sorted so")
	}
	plain := *request
	plain.Controls = slices.DeleteFunc(slices.Clone(request.Controls), func(c ldap.Control) bool { return c.GetControlType() == wish.GetControlType() })
	result, err := t.searchLocked(ctx, &plain, asked)
	if result != nil {
		result.Controls = append(result.Controls, failed)
	}
	return result, err
}

// window is the part of a list around the entry that the client names (draft-ietf-ldapext-ldapv3-vlv-09 section 6).
func (o ordering) window(all []sortable, w *directory.VirtualList) ([]sortable, *directory.VirtualListResult, error) {
	count := int64(len(all))
	answer := &directory.VirtualListResult{Count: int32(count)}
	target := int64(w.Offset)
	switch {
	case w.ByValue:
		normal, err := o.attributes[0].normalize(w.Value)
		if err != nil {
			answer.Code = ldap.LDAPResultInvalidAttributeSyntax
			return nil, answer, refuse(ldap.LDAPResultInvalidAttributeSyntax, "", err.Error())
		}
		at, _ := slices.BinarySearchFunc(all, sortKey{value: normal}, func(each sortable, key sortKey) int { return o.compareKey(0, each.keys[0], key) })
		target = int64(at) + 1
	case w.Offset == 0:
		answer.Code = ldap.LDAPResultOffsetRangeError
		return nil, answer, refuse(ldap.LDAPResultOffsetRangeError, "", "the first entry of a list has the offset 1")
	case w.Count > 0 && w.Offset > 1 && w.Offset >= w.Count:
		target = count
	case w.Count > 0 && w.Offset > 1:
		target = max(1, count*int64(w.Offset)/int64(w.Count))
	}
	target = min(target, count+1)
	answer.Position = int32(target)
	return all[max(0, target-1-int64(w.Before)):min(count, target+int64(w.After))], answer, nil
}

// page is the part of a list that follows what the cookie names.
func (o ordering) page(all []sortable, paging *ldap.ControlPaging) ([]sortable, *ldap.ControlPaging, error) {
	if paging.PagingSize == 0 {
		return nil, &ldap.ControlPaging{}, nil
	}
	if len(paging.Cookie) > 0 {
		after, err := o.parse(paging.Cookie)
		if err != nil {
			return nil, nil, refuse(ldap.LDAPResultUnwillingToPerform, "", err.Error())
		}
		at, found := slices.BinarySearchFunc(all, after, o.compare)
		if found {
			at++
		}
		all = all[at:]
	}
	answer := &ldap.ControlPaging{}
	if size := min(int(paging.PagingSize), maxPage); len(all) > size {
		all = all[:size]
		answer.Cookie = all[size-1].cookie()
	}
	return all, answer, nil
}

// cookie is an entry's place in the order, whatever is written in between: its keys are in it, so that the entry itself need
// not be there any more.
func (s sortable) cookie() []byte {
	cookie := s.node.position().cookie()
	for _, key := range s.keys {
		if key.missing {
			cookie = append(cookie, 0)
			continue
		}
		cookie = append(append(cookie, 1), binary.AppendUvarint(nil, uint64(len(key.value)))...)
		cookie = append(cookie, key.value...)
	}
	return cookie
}

var errCookie = errors.New("the paged results cookie is not one of this search's")

func (o ordering) parse(cookie []byte) (sortable, error) {
	s := sortable{node: &node{}, keys: make([]sortKey, len(o.attributes))}
	size := len(position{}.cookie())
	if len(cookie) < size {
		return s, errCookie
	}
	at, err := parseCookie(cookie[:size])
	if err != nil {
		return s, err
	}
	s.node.created, s.node.guid = at.created, at.guid
	rest := cookie[size:]
	for i := range s.keys {
		if len(rest) == 0 || rest[0] > 1 {
			return s, errCookie
		}
		s.keys[i].missing = rest[0] == 0
		if rest = rest[1:]; s.keys[i].missing {
			continue
		}
		length, used := binary.Uvarint(rest)
		if used <= 0 || length > uint64(len(rest)-used) {
			return s, errCookie
		}
		s.keys[i].value, rest = string(rest[used:used+int(length)]), rest[used+int(length):]
	}
	if len(rest) > 0 {
		return s, errCookie
	}
	return s, nil
}
