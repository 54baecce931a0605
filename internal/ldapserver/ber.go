package ldapserver

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
)

// The tags of LDAP's BER (RFC 4511 section 5.1): class, constructed bit and number in one byte. LDAP has no tag number
// above 30, so a tag is always one byte.
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31

	tagControls = 0xa0
)

// errMalformed marks bytes that are not LDAP. The connection ends with a notice of disconnection (RFC 4511 section 4.1.1).
var errMalformed = errors.New("malformed LDAP message")

// header reads an element's tag and length. Size is the number of bytes they take, 0 when b holds too few to tell. The
// indefinite form and lengths of more than four bytes are malformed.
func header(b []byte) (size, length int, err error) {
	if len(b) > 0 && b[0]&0x1f == 0x1f {
		return 0, 0, errMalformed
	}
	if len(b) < 2 {
		return 0, 0, nil
	}
	if b[1] < 0x80 {
		return 2, int(b[1]), nil
	}
	octets := int(b[1] & 0x7f)
	if octets == 0 || octets > 4 {
		return 0, 0, errMalformed
	}
	if len(b) < 2+octets {
		return 0, 0, nil
	}
	var wide uint64
	for _, octet := range b[2 : 2+octets] {
		wide = wide<<8 | uint64(octet)
	}
	if wide > math.MaxInt32 {
		return 0, 0, errMalformed
	}
	return 2 + octets, int(wide), nil
}

// cursor is the part of an element's content that is not read yet. What it returns are slices of the same memory: nothing
// is allocated, however a message is nested, and a password in it lies in one place.
type cursor []byte

func (c *cursor) empty() bool { return len(*c) == 0 }

// peek is the next element's tag, 0 (which LDAP does not use) at the end.
func (c *cursor) peek() byte {
	if len(*c) == 0 {
		return 0
	}
	return (*c)[0]
}

func (c *cursor) next() (tag byte, content []byte, err error) {
	size, length, err := header(*c)
	if err != nil {
		return 0, nil, err
	}
	if size == 0 || length > len(*c)-size {
		return 0, nil, errMalformed
	}
	tag = (*c)[0]
	content = (*c)[size : size+length : size+length]
	*c = (*c)[size+length:]
	return tag, content, nil
}

func (c *cursor) expect(tag byte) ([]byte, error) {
	if c.peek() != tag {
		return nil, errMalformed
	}
	_, content, err := c.next()
	return content, err
}

// optional is expect for an element that may be absent.
func (c *cursor) optional(tag byte) (content []byte, present bool, err error) {
	if c.peek() != tag {
		return nil, false, nil
	}
	content, err = c.expect(tag)
	return content, err == nil, err
}

func (c *cursor) text() (string, error) {
	content, err := c.expect(tagOctetString)
	return string(content), err
}

func (c *cursor) integer(tag byte) (int64, error) {
	content, err := c.expect(tag)
	if err != nil {
		return 0, err
	}
	if len(content) == 0 || len(content) > 8 {
		return 0, errMalformed
	}
	value := int64(int8(content[0]))
	for _, octet := range content[1:] {
		value = value<<8 | int64(octet)
	}
	return value, nil
}

func (c *cursor) boolean(tag byte) (bool, error) {
	content, err := c.expect(tag)
	if err != nil {
		return false, err
	}
	if len(content) != 1 {
		return false, errMalformed
	}
	return content[0] != 0, nil
}

// open starts a constructed element whose length shut fills in. The length takes four bytes, as in AD's own answers, so
// that nothing has to be moved.
func open(b []byte, tag byte) (out []byte, at int) {
	b = append(b, tag, 0x84, 0, 0, 0, 0)
	return b, len(b)
}

func shut(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at-4:], uint32(len(b)-at))
}

func appendHeader(b []byte, tag byte, length int) []byte {
	switch {
	case length < 0x80:
		return append(b, tag, byte(length))
	case length < 0x100:
		return append(b, tag, 0x81, byte(length))
	case length < 0x10000:
		return append(b, tag, 0x82, byte(length>>8), byte(length))
	}
	return append(b, tag, 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}

func appendOctets[T string | []byte](b []byte, tag byte, value T) []byte {
	return append(appendHeader(b, tag, len(value)), value...)
}

// appendText is appendOctets for an LDAPString, which is UTF-8 on the wire.
func appendText(b []byte, value string) []byte {
	return appendOctets(b, tagOctetString, strings.ToValidUTF8(value, "\uFFFD"))
}

func appendInteger(b []byte, tag byte, value int32) []byte {
	octets := 4
	for octets > 1 && value>>(8*(octets-1)-1) == value>>31 {
		octets--
	}
	b = append(b, tag, byte(octets))
	for octets > 0 {
		octets--
		b = append(b, byte(value>>(8*octets)))
	}
	return b
}
