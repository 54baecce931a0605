package authz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// node is a JSON value that knows where it stands.
type node struct {
	line, column int
	kind         json.Delim // { or [; 0 for a value that is neither
	text         string     // of a string, a number or a literal
	quoted       bool       // it is a string
	members      []member
	items        []*node
}

type member struct {
	name  *node
	value *node
}

const maxDepth = 8 // a policy's own is 5

// reader reads a JSON text with its places.
type reader struct {
	text    []byte
	decoder *json.Decoder
}

// readNode reads one JSON value and nothing behind it.
func readNode(text []byte) (*node, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("the policy is not UTF-8")
	}
	r := &reader{text, json.NewDecoder(bytes.NewReader(text))}
	r.decoder.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text[r.decoder.InputOffset():])) > 0 {
		return nil, r.next().errorf("there is something behind the policy")
	}
	return n, nil
}

// next is where the next token begins.
func (r *reader) next() *node {
	at := int(r.decoder.InputOffset())
	for at < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[at]) >= 0 {
		at++
	}
	before := r.text[:at]
	return &node{line: 1 + bytes.Count(before, []byte("\n")), column: 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])}
}

func (n *node) errorf(format string, args ...any) error {
	if n.line == 0 { // it was not read
		return fmt.Errorf(format, args...)
	}
	return fmt.Errorf("line %d, column %d: %w", n.line, n.column, fmt.Errorf(format, args...))
}

func (r *reader) value(depth int) (*node, error) {
	n := r.next()
	token, err := r.decoder.Token()
	if errors.Is(err, io.EOF) {
		return nil, n.errorf("the policy ends too early")
	}
	if err != nil {
		return nil, n.errorf("this is not JSON: %w", err)
	}
	switch token := token.(type) {
	case json.Delim:
		n.kind = token
		if depth == maxDepth {
			return nil, n.errorf("there are more than %d levels", maxDepth)
		}
		if token == '{' {
			return n, r.object(n, depth)
		}
		return n, r.array(n, depth)
	case string:
		n.text, n.quoted = token, true
	default:
		n.text = fmt.Sprint(token) // of null it is never asked
	}
	return n, nil
}

func (r *reader) object(n *node, depth int) error {
	for r.decoder.More() {
		name, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		for _, other := range n.members {
			if strings.EqualFold(other.name.text, name.text) {
				return name.errorf("%s is there twice", name.text)
			}
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{name, value})
	}
	return r.end()
}

func (r *reader) array(n *node, depth int) error {
	for r.decoder.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	return r.end()
}

func (r *reader) end() error {
	at := r.next()
	if _, err := r.decoder.Token(); err != nil {
		return at.errorf("this is not JSON: %w", err)
	}
	return nil
}

// list is the items of an array, or the one value that stands for an array of one.
func (n *node) list() []*node {
	if n.kind == '[' {
		return n.items
	}
	return []*node{n}
}
