package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"latchkey/internal/fault"
)

// maxDepth is how many lists and objects may lie in one another. The deepest request of the API needs five.
const maxDepth = 32

// Syntax tells whether a body is JSON that Decode can read, without regard to any operation: AWS answers this before it
// looks at the signature. It refuses, as a SerializationException without a text, what RFC 8259 does not allow, invalid
// UTF-8, half of a surrogate pair, a member name that occurs twice in one object, and more than 32 levels. A name given
// twice has no one meaning, and replacing what is not Unicode would change a password. An empty body is {}.
func Syntax(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	if !utf8.Valid(body) {
		return malformed("the body is not UTF-8")
	}
	if !json.Valid(body) {
		return malformed("the body is not JSON")
	}
	c := cursor{body: body}
	return c.check(0)
}

// malformed never says what the body holds: it may be a password.
func malformed(reason string) error {
	return fault.New(fault.Serialization, "").Because(errors.New(reason))
}

// cursor walks a body that json.Valid has accepted.
type cursor struct {
	body []byte
	at   int
}

// next is the first byte of the next token, which stays unread.
func (c *cursor) next() byte {
	for c.at < len(c.body) {
		switch b := c.body[c.at]; b {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return b
		}
	}
	return 0
}

// took reads the next byte if it is b.
func (c *cursor) took(b byte) bool {
	if c.next() != b {
		return false
	}
	c.at++
	return true
}

// quoted reads a string and gives what is between its quotes, escapes and all.
func (c *cursor) quoted() []byte {
	c.next()
	c.at++
	start := c.at
	for c.at < len(c.body) && c.body[c.at] != '"' {
		if c.body[c.at] == '\\' {
			c.at++
		}
		c.at++
	}
	end := min(c.at, len(c.body))
	c.at = end + 1
	return c.body[start:end]
}

// word reads a number, true, false or null.
func (c *cursor) word() []byte {
	c.next()
	start := c.at
	for c.at < len(c.body) && strings.IndexByte(",]} \t\r\n", c.body[c.at]) < 0 {
		c.at++
	}
	return c.body[start:c.at]
}

// members reads an object and calls member for each name, in front of its value, which member has to read.
func (c *cursor) members(member func(name []byte) error) error {
	for c.at++; !c.took('}'); c.took(',') {
		name := c.quoted()
		c.took(':')
		if err := member(name); err != nil {
			return err
		}
	}
	return nil
}

// items reads a list and calls item in front of each value, which item has to read.
func (c *cursor) items(item func() error) error {
	for c.at++; !c.took(']'); c.took(',') {
		if err := item(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cursor) check(depth int) error {
	first := c.next()
	if depth == maxDepth && (first == '{' || first == '[') {
		return malformed("the body is nested too deeply")
	}
	switch first {
	case '{':
		var seen map[string]struct{}
		return c.members(func(name []byte) error {
			if err := checkEscapes(name); err != nil {
				return err
			}
			if bytes.IndexByte(name, '\\') >= 0 {
				name = unquote(name)
			}
			if _, twice := seen[string(name)]; twice {
				return malformed("a member occurs twice")
			}
			if seen == nil {
				seen = make(map[string]struct{})
			}
			seen[string(name)] = struct{}{}
			return c.check(depth + 1)
		})
	case '[':
		return c.items(func() error { return c.check(depth + 1) })
	case '"':
		return checkEscapes(c.quoted())
	default:
		c.word()
		return nil
	}
}

// skip reads any value; check has bounded its depth.
func (c *cursor) skip() {
	switch c.next() {
	case '{':
		_ = c.members(func([]byte) error { c.skip(); return nil })
	case '[':
		_ = c.items(func() error { c.skip(); return nil })
	case '"':
		c.quoted()
	default:
		c.word()
	}
}

// checkEscapes refuses half of a surrogate pair, which no UTF-8 can hold.
func checkEscapes(quoted []byte) error {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		i++
		if quoted[i] != 'u' {
			continue
		}
		r := hex4(quoted[i+1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if i+6 >= len(quoted) || quoted[i+1] != '\\' || quoted[i+2] != 'u' ||
			utf16.DecodeRune(r, hex4(quoted[i+3:])) == utf8.RuneError {
			return malformed("a string holds half of a surrogate pair")
		}
		i += 6
	}
	return nil
}

func hex4(digits []byte) rune {
	var r rune
	for _, d := range digits[:4] {
		switch {
		case d <= '9':
			r = r<<4 | rune(d-'0')
		default:
			r = r<<4 | rune(d|0x20-'a'+10)
		}
	}
	return r
}

var escapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '/': '/'}

// unquote is the value of a string's inside, in memory of its own. It is allocated once and never grows, so that a
// secret leaves no copy behind.
func unquote(quoted []byte) []byte {
	value := make([]byte, 0, len(quoted))
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			value = append(value, quoted[i])
			continue
		}
		i++
		if quoted[i] != 'u' {
			value = append(value, escapes[quoted[i]])
			continue
		}
		r := hex4(quoted[i+1:])
		i += 4
		if utf16.IsSurrogate(r) {
			r = utf16.DecodeRune(r, hex4(quoted[i+3:]))
			i += 6
		}
		value = utf8.AppendRune(value, r)
	}
	return value
}
