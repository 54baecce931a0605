package kdc

import (
	"encoding/binary"
	"time"
	"unicode/utf16"

	"latchkey/internal/directory"
)

// ndr writes NDR in little-endian order (C706 chapter 14, MS-RPCE section 2.2.6): a structure, and after it what its pointers
// point to, in the order of the pointers.
type ndr struct {
	b        []byte
	referent uint32
	deferred []func()
}

func (n *ndr) align(size int) {
	for len(n.b)%size != 0 {
		n.b = append(n.b, 0)
	}
}

func (n *ndr) uint16(v uint16) {
	n.align(2)
	n.b = binary.LittleEndian.AppendUint16(n.b, v)
}

func (n *ndr) uint32(v uint32) {
	n.align(4)
	n.b = binary.LittleEndian.AppendUint32(n.b, v)
}

// pointer is a unique pointer; write is nil for a null pointer.
func (n *ndr) pointer(write func()) {
	if write == nil {
		n.uint32(0)
		return
	}
	const first, step = 0x20000, 4
	n.uint32(first + n.referent*step)
	n.referent++
	n.deferred = append(n.deferred, write)
}

// flush writes what pointers point to, and what is pointed to from there.
func (n *ndr) flush() {
	for len(n.deferred) > 0 {
		now := n.deferred
		n.deferred = nil
		for i, write := range now {
			write()
			// The pointers within it come before the next one of the outer structure.
			if rest := now[i+1:]; len(n.deferred) > 0 {
				n.deferred = append(n.deferred, rest...)
				break
			}
		}
	}
}

// filetime is FILETIME (MS-DTYP section 2.3.3), whose alignment is that of its two halves; zero is never.
func (n *ndr) filetime(t time.Time) {
	v := uint64(directory.Never)
	if !t.IsZero() {
		v = filetime(t)
	}
	n.uint32(uint32(v))
	n.uint32(uint32(v >> 32))
}

// filetime is a time in units of 100 nanoseconds since 1601.
func filetime(t time.Time) uint64 {
	const epoch = 11644473600 // seconds from 1601 to 1970
	return uint64(t.Unix()+epoch)*1e7 + uint64(t.Nanosecond()/100)
}

// text is RPC_UNICODE_STRING (MS-DTYP section 2.3.10).
func (n *ndr) text(s string) {
	units := utf16.Encode([]rune(s))
	n.uint16(uint16(2 * len(units)))
	n.uint16(uint16(2 * len(units)))
	n.pointer(func() {
		n.uint32(uint32(len(units)))
		n.uint32(0)
		n.uint32(uint32(len(units)))
		for _, u := range units {
			n.uint16(u)
		}
	})
}

// sid is a pointer to RPC_SID (MS-DTYP section 2.4.2.3).
func (n *ndr) sid(s directory.SID) {
	n.pointer(func() {
		n.uint32(uint32(s[1]))
		n.b = append(n.b, s...)
	})
}

// attributes of a group in a token (MS-PAC section 2.2.1): mandatory, enabled by default, enabled; and for the domain's local
// groups, resource.
const (
	groupAttributes = 0x7
	groupResource   = 0x20000000
)

// memberships is a count and a pointer to as many GROUP_MEMBERSHIP (MS-PAC section 2.2.2).
func (n *ndr) memberships(rids []uint32, attributes uint32) {
	n.uint32(uint32(len(rids)))
	if len(rids) == 0 {
		n.pointer(nil)
		return
	}
	n.pointer(func() {
		n.uint32(uint32(len(rids)))
		for _, rid := range rids {
			n.uint32(rid)
			n.uint32(attributes)
		}
	})
}

// sids is a count and a pointer to as many KERB_SID_AND_ATTRIBUTES (MS-PAC section 2.2.1).
func (n *ndr) sids(all []directory.SID) {
	n.uint32(uint32(len(all)))
	if len(all) == 0 {
		n.pointer(nil)
		return
	}
	n.pointer(func() {
		n.uint32(uint32(len(all)))
		for _, s := range all {
			n.sid(s)
			n.uint32(groupAttributes)
		}
	})
}

// serialize is type serialization version 1 (MS-RPCE section 2.2.6): headers, and a pointer to the structure.
func serialize(structure func(*ndr)) []byte {
	n := &ndr{}
	n.pointer(func() { structure(n) })
	n.flush()
	n.align(8)
	header := []byte{1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc}
	header = binary.LittleEndian.AppendUint32(header, uint32(len(n.b)))
	header = binary.LittleEndian.AppendUint32(header, 0)
	return append(header, n.b...)
}
