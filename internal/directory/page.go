package directory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/go-ldap/ldap/v3"
)

// ErrTooMany says that a search can't be taken apart into parts that are small enough.
var ErrTooMany = errors.New("the search finds too many entries")

// Place is where a list goes on. Lists are in the order of objectGUID: it never changes, and every domain controller has the
// same, so that a page may be asked of another one than the page before, at any time, and what is written in between neither
// hides nor doubles anything that is there all the while.
type Place struct {
	Part int      // which of the list's filters
	From [16]byte // the next objectGUID
	// Width is how much of the GUIDs' first eight bytes is likely to hold a page; 0 if nobody knows.
	Width uint64
}

// firstWidth is tried where all at once are too many. A domain controller makes GUIDs at random: of a million entries it holds
// some 244.
const firstWidth = math.MaxUint64 / 4096

// Page is the principals that the filters find one after the other, at most limit of them, from a place on, and the place
// of the next page; done says that there is none. It asks for ranges of objectGUID that hold no more than some pages, as AD
// can't be asked for an order without sorting everything. Its errors wrap ErrTooMany, ErrUnavailable or the like.
func Page(ctx context.Context, conn Conn, domain Domain, filters, attributes []string, at Place, limit int) (page []Principal, next Place, done bool, err error) {
	for ; at.Part < len(filters); at = (Place{Part: at.Part + 1}) {
		p := pager{ctx: ctx, conn: conn, base: domain.BaseDN(), filter: filters[at.Part], attributes: slices.Concat(principalAttributes, attributes), limit: limit - len(page)}
		entries, width, err := p.collect(at.From, at.Width)
		if err != nil {
			return nil, at, false, explain(err)
		}
		cut := min(len(entries), p.limit)
		for _, entry := range entries[:cut] {
			principal, err := newPrincipal(entry)
			if err != nil {
				return nil, at, false, err
			}
			page = append(page, principal)
		}
		if len(entries) > cut {
			return page, Place{Part: at.Part, From: guidOf(entries[cut]), Width: width}, false, nil
		}
	}
	return page, at, true, nil
}

type pager struct {
	ctx          context.Context
	conn         Conn
	base, filter string
	attributes   []string
	limit        int
}

// collect is more than limit entries in the order of their GUIDs, or all that there are from a GUID on, and a width for the
// next page.
func (p *pager) collect(from [16]byte, width uint64) (entries []*ldap.Entry, _ uint64, err error) {
	if width == 0 {
		width = math.MaxUint64
	}
	for {
		low := binary.BigEndian.Uint64(from[:])
		high := low + min(width, math.MaxUint64-low)
		found, whole, err := p.window(from, high)
		switch {
		case err != nil:
			return nil, 0, err
		case !whole && width == math.MaxUint64:
			width = firstWidth
			continue
		case !whole && width > 0:
			width /= 4
			continue
		case !whole:
			return nil, 0, ErrTooMany
		}
		entries = append(entries, found...)
		wanted := p.limit + 1 - len(entries)
		if wanted <= 0 || high == math.MaxUint64 {
			// For the next page: as much as held so many here.
			return entries, scale(width, p.limit+1, len(found)), nil
		}
		width = scale(width, wanted, len(found))
		from = [16]byte{}
		binary.BigEndian.PutUint64(from[:], high+1)
	}
}

// scale is a width that holds wanted entries and some more, if one of width held found. It grows by 16 at most.
func scale(width uint64, wanted, found int) uint64 {
	factor := 16.0
	if found > 0 {
		factor = min(factor, 1.25*float64(wanted)/float64(found))
	}
	scaled := float64(width) * factor
	if scaled >= math.MaxUint64/2 {
		return math.MaxUint64 - 1 // not the width that stands for the first try
	}
	return max(uint64(scaled), 1)
}

// window is the entries from a GUID on to the last that begins with high, by their GUIDs; whole is false if there are many more
// than a page.
func (p *pager) window(from [16]byte, high uint64) (found []*ldap.Entry, whole bool, err error) {
	filter := p.filter
	if from != ([16]byte{}) || high != math.MaxUint64 {
		last := binary.BigEndian.AppendUint64(nil, high)
		last = binary.BigEndian.AppendUint64(last, math.MaxUint64)
		// The range first: it is what rules most entries out.
		filter = "(&(objectGUID>=" + escapeBytes(from[:]) + ")(objectGUID<=" + escapeBytes(last) + ")" + filter + ")"
	}
	most := 2*p.limit + 10
	control := ldap.NewControlPaging(uint32(most + 1))
	request := ldap.NewSearchRequest(p.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, p.attributes, []ldap.Control{control})
	result, err := p.conn.Search(p.ctx, request)
	if err != nil {
		return nil, false, err
	}
	if answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok && len(answer.Cookie) > 0 {
		// The server keeps nothing for a next page that nobody asks for (RFC 2696 section 3).
		control.PagingSize = 0
		control.SetCookie(answer.Cookie)
		_, _ = p.conn.Search(p.ctx, request)
		return nil, false, nil
	}
	if len(result.Entries) > most {
		return nil, false, nil
	}
	for _, entry := range result.Entries {
		if len(entry.GetRawAttributeValue("objectGUID")) != len(from) {
			return nil, false, errors.New(entry.DN + ": objectGUID is not a GUID")
		}
	}
	slices.SortFunc(result.Entries, func(a, b *ldap.Entry) int {
		return bytes.Compare(a.GetRawAttributeValue("objectGUID"), b.GetRawAttributeValue("objectGUID"))
	})
	return result.Entries, true, nil
}

func guidOf(entry *ldap.Entry) (guid [16]byte) {
	copy(guid[:], entry.GetRawAttributeValue("objectGUID"))
	return guid
}

// escapeBytes is a value of a filter with every byte escaped (RFC 4515 section 3).
func escapeBytes(value []byte) string {
	const digits = "0123456789abcdef"
	escaped := make([]byte, 0, 3*len(value))
	for _, b := range value {
		escaped = append(escaped, '\\', digits[b>>4], digits[b&15])
	}
	return string(escaped)
}
