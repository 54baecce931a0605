// Package ldif reads and writes LDIF (RFC 2849): entries to add, and changes to entries, in the form that Windows' ldifde writes
// as well. It fetches nothing: a value that is the URL of a file is refused.
package ldif

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Record is an entry to add, or an entry to change.
type Record struct {
	Line int // where it begins, from 1
	DN   string
	// Modify says that Changes are to be made to an entry that is there. Otherwise the entry is added, and all changes are Add.
	Modify  bool
	Changes []Change
}

// Op is what becomes of an attribute.
type Op string

// The changes of an attribute (RFC 4511 section 4.6).
const (
	Add     Op = "add"
	Delete  Op = "delete"
	Replace Op = "replace"
)

// Change is what becomes of one attribute.
type Change struct {
	Op        Op
	Attribute string
	Values    []string
}

// Error is what is wrong with a record. What comes after it can still be read.
type Error struct {
	Line   int
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Limits of what is read: by Parse, and of one record.
const (
	maxRecords = 10_000
	maxLines   = 200_000
	maxRecord  = 1 << 20
)

// Parse reads a text. The error names the line.
func Parse(text string) ([]Record, error) {
	reader := NewReader(strings.NewReader(text))
	var records []Record
	for {
		record, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return records, nil
		case err != nil:
			return nil, err
		case reader.number > maxLines:
			return nil, fmt.Errorf("there are more than %d lines", maxLines)
		}
		if records = append(records, record); len(records) > maxRecords {
			return nil, &Error{record.Line, fmt.Sprintf("there are more than %d records", maxRecords)}
		}
	}
}

// Reader reads records one after the other, whatever their number.
type Reader struct {
	text    *bufio.Reader
	number  int // of the line that was read last
	version bool
}

// NewReader reads a text of records.
func NewReader(text io.Reader) *Reader { return &Reader{text: bufio.NewReader(text)} }

// Next is the next record; io.EOF follows the last. After an *Error it goes on with the record that follows.
func (r *Reader) Next() (Record, error) {
	for {
		block, err := r.block()
		if err != nil {
			return Record{}, err
		}
		name, _, _ := strings.Cut(block[0].text, ":")
		if !r.version && strings.EqualFold(name, "version") {
			block = block[1:]
		}
		if r.version = true; len(block) > 0 {
			return parseRecord(block)
		}
	}
}

type line struct {
	number int
	text   string
}

// block is the lines up to the next empty one: those that go on are joined, and comments left out.
func (r *Reader) block() (block []line, err error) {
	comment, size := false, 0
	var wrong *Error
	for {
		raw, err := r.line()
		switch {
		case errors.Is(err, io.EOF) && wrong != nil:
			return nil, wrong
		case errors.Is(err, io.EOF) && len(block) > 0:
			return block, nil
		case err != nil:
			return nil, err
		}
		if size += len(raw); size > maxRecord {
			return nil, fmt.Errorf("line %d: the record is longer than %d bytes", r.number, maxRecord)
		}
		folded := strings.HasPrefix(raw, " ")
		switch {
		case raw == "" && wrong != nil:
			return nil, wrong
		case raw == "" && len(block) > 0:
			return block, nil
		case raw == "" || folded && comment:
		case folded && len(block) == 0:
			wrong = &Error{r.number, "it goes on from no other line"}
		case folded:
			block[len(block)-1].text += raw[1:]
		default:
			if comment = strings.HasPrefix(raw, "#"); !comment {
				block = append(block, line{r.number, raw})
			}
		}
	}
}

// line is the next line without its end.
func (r *Reader) line() (string, error) {
	var text []byte
	for {
		part, err := r.text.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(text) <= maxRecord:
			continue
		case errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) && len(text) > 0:
		case err != nil:
			return "", err
		}
		r.number++
		raw := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if r.number == 1 {
			raw = strings.TrimPrefix(raw, "\ufeff")
		}
		return raw, nil
	}
}

// pair is NAME: VALUE, or NAME:: with a value in base64.
func (l line) pair() (name, value string, err error) {
	name, value, ok := strings.Cut(l.text, ":")
	fail := func(why string) (string, string, error) { return "", "", &Error{l.number, why} }
	switch {
	case !ok || name == "":
		return fail("it is not NAME: VALUE")
	case strings.HasPrefix(value, "<"):
		return fail("a value is the URL of a file, which is not read")
	case strings.HasPrefix(value, ":"):
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value[1:]))
		if err != nil {
			return fail("a value is not base64")
		}
		return name, string(decoded), nil
	}
	return name, strings.TrimLeft(value, " "), nil
}

func parseRecord(block []line) (Record, error) {
	record := Record{Line: block[0].number}
	name, dn, err := block[0].pair()
	if err != nil {
		return record, err
	}
	if !strings.EqualFold(name, "dn") {
		return record, &Error{block[0].number, "a record does not begin with a dn"}
	}
	record.DN = dn
	block = block[1:]
	if len(block) > 0 {
		if name, kind, err := block[0].pair(); err == nil && strings.EqualFold(name, "changetype") {
			switch strings.ToLower(kind) {
			case "add", "ntdsschemaadd":
			case "modify", "ntdsschemamodify":
				record.Modify = true
			default:
				return record, &Error{block[0].number, fmt.Sprintf("changetype %s is not supported", kind)}
			}
			block = block[1:]
		}
	}
	if len(block) == 0 {
		return record, &Error{record.Line, "the record has nothing but a DN"}
	}
	if record.Modify {
		return record, record.modifications(block)
	}
	for _, l := range block {
		name, value, err := l.pair()
		if err != nil {
			return record, err
		}
		record.add(Add, name, value)
	}
	return record, nil
}

// add puts a value to the others of its attribute.
func (r *Record) add(op Op, name, value string) {
	for i := range r.Changes {
		if strings.EqualFold(r.Changes[i].Attribute, name) {
			r.Changes[i].Values = append(r.Changes[i].Values, value)
			return
		}
	}
	r.Changes = append(r.Changes, Change{op, name, []string{value}})
}

// modifications reads add: NAME, its values, and a line with a hyphen, over and over.
func (r *Record) modifications(block []line) error {
	for len(block) > 0 {
		head := block[0]
		verb, attribute, err := head.pair()
		if err != nil {
			return err
		}
		change := Change{Op: Op(strings.ToLower(verb)), Attribute: attribute}
		if change.Op != Add && change.Op != Delete && change.Op != Replace {
			return &Error{head.number, fmt.Sprintf("%s is none of add, delete, replace", verb)}
		}
		for block = block[1:]; len(block) > 0 && block[0].text != "-"; block = block[1:] {
			name, value, err := block[0].pair()
			if err != nil {
				return err
			}
			if !strings.EqualFold(name, attribute) {
				return &Error{block[0].number, fmt.Sprintf("a value of %s is among those of %s", name, attribute)}
			}
			change.Values = append(change.Values, value)
		}
		if len(block) > 0 {
			block = block[1:]
		}
		if change.Op == Add && len(change.Values) == 0 {
			return &Error{head.number, fmt.Sprintf("nothing is added to %s", attribute)}
		}
		r.Changes = append(r.Changes, change)
	}
	return nil
}
