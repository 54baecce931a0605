package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The tags of LDAP (RFC 4511) that the load generator uses.
const (
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagEnumerated = 0x0a
	tagSequence   = 0x30
	tagSet        = 0x31

	tagBind        = 0x60
	tagSearch      = 0x63
	tagSearchEntry = 0x64
	tagSearchDone  = 0x65
	tagModify      = 0x66
	tagAdd         = 0x68
	tagReference   = 0x73
	tagSimple      = 0x80
	tagControls    = 0xa0
	tagAnd         = 0xa0
	tagEquality    = 0xa3
)

const pagedResults = "1.2.840.113556.1.4.319"

// element is one of BER.
func element(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	head := []byte{tag, 0x84, 0, 0, 0, 0}
	if len(content) < 0x80 {
		head = []byte{tag, byte(len(content))}
	} else {
		binary.BigEndian.PutUint32(head[2:], uint32(len(content)))
	}
	return append(head, content...)
}

func octets(s string) []byte { return element(tagOctets, []byte(s)) }

// number is below 2^31: slapd takes no more than four bytes.
func number(tag byte, n uint32) []byte {
	return element(tag, binary.BigEndian.AppendUint32(nil, n))
}

func equality(attribute, value string) []byte {
	return element(tagEquality, octets(attribute), octets(value))
}

func octetsOf(values ...string) [][]byte {
	all := make([][]byte, len(values))
	for i, value := range values {
		all[i] = octets(value)
	}
	return all
}

func searchOf(base string, filter []byte, attributes ...string) []byte {
	return element(tagSearch, octets(base), number(tagEnumerated, 2), number(tagEnumerated, 0), number(tagInteger, 0), number(tagInteger, 0),
		[]byte{1, 1, 0}, filter, element(tagSequence, octetsOf(attributes...)...))
}

// ldapConn is a client that costs next to nothing beside a server: it makes requests of few bytes, and reads of the answers
// only where they end and what they came to.
type ldapConn struct {
	net.Conn
	reader *bufio.Reader
	id     uint32
	body   []byte
}

func dialLDAP(address string, trust *tls.Config) (*ldapConn, error) {
	var conn net.Conn
	var err error
	if trust != nil {
		conn, err = tls.Dial("tcp", address, trust)
	} else {
		conn, err = net.Dial("tcp", address)
	}
	if err != nil {
		return nil, err
	}
	return &ldapConn{Conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// callTimeout ends a call that nothing comes of.
const callTimeout = time.Minute

// call sends a request, and answers with how many entries came and the cookie of the next page.
func (c *ldapConn) call(operation []byte, controls ...[]byte) (entries int, cookie []byte, err error) {
	c.id++
	parts := [][]byte{number(tagInteger, c.id), operation}
	if len(controls) > 0 {
		parts = append(parts, element(tagControls, controls...))
	}
	if err := c.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return 0, nil, err
	}
	if _, err := c.Write(element(tagSequence, parts...)); err != nil {
		return 0, nil, err
	}
	for {
		tag, content, rest, err := c.message()
		switch {
		case err != nil:
			return entries, nil, err
		case tag == tagSearchEntry:
			entries++
		case tag == tagReference:
		default:
			if len(content) > 2 && content[2] != 0 {
				return entries, nil, fmt.Errorf("LDAP result %d: %s", content[2], content)
			}
			return entries, pageCookie(rest), nil
		}
	}
}

// message is the next one's operation, and what is behind that.
func (c *ldapConn) message() (tag byte, content, rest []byte, err error) {
	head, err := c.reader.Peek(6)
	if err != nil {
		return 0, nil, nil, err
	}
	size, length := header(head)
	if cap(c.body) < size+length {
		c.body = make([]byte, size+length)
	}
	if _, err := io.ReadFull(c.reader, c.body[:size+length]); err != nil {
		return 0, nil, nil, err
	}
	_, _, rest = cut(c.body[size : size+length])
	tag, content, rest = cut(rest)
	if tag == 0 {
		return 0, nil, nil, errors.New("the server did not answer with LDAP")
	}
	return tag, content, rest, nil
}

func header(b []byte) (size, length int) {
	if len(b) < 2 {
		return len(b), 0
	}
	if b[1] < 0x80 {
		return 2, int(b[1])
	}
	size = 2 + int(b[1]&0x7f)
	for _, octet := range b[2:min(size, len(b))] {
		length = length<<8 | int(octet)
	}
	return size, length
}

func cut(b []byte) (tag byte, content, rest []byte) {
	size, length := header(b)
	if len(b) < 2 || len(b) < size+length {
		return 0, nil, nil
	}
	return b[0], b[size : size+length], b[size+length:]
}

func page(size uint32, cookie []byte) []byte {
	value := element(tagSequence, number(tagInteger, size), element(tagOctets, cookie))
	return element(tagSequence, octets(pagedResults), element(tagOctets, value))
}

func pageCookie(controls []byte) []byte {
	_, list, _ := cut(controls)
	_, control, _ := cut(list)
	_, _, rest := cut(control) // behind the type
	tag, value, more := cut(rest)
	if tag != tagOctets {
		_, value, _ = cut(more) // behind the criticality
	}
	_, inner, _ := cut(value)
	_, _, rest = cut(inner) // behind the size
	_, cookie, _ := cut(rest)
	return bytes.Clone(cookie)
}

func (c *ldapConn) bind(name, password string) error {
	_, _, err := c.call(element(tagBind, number(tagInteger, 3), octets(name), element(tagSimple, []byte(password))))
	return err
}
