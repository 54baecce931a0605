package wire

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strconv"

	"latchkey/internal/fault"
)

// Decode reads a body, and of REST the query, into in, a pointer to the operation's empty request structure, and holds it
// against the model.
//
// It is strict about types (SerializationException for the first that is wrong) and lenient about members it does not
// know; names match in their exact case, null is an absent member, an empty body is {}, and a whole number may be
// written as 1.0. Every violation of a constraint is reported in one ValidationException. Neither exception shows a
// sensitive value, and on both the secrets read so far are wiped. A password goes from the body into its Secret's bytes
// without another copy; the body stays the caller's to wipe. Any other error is the program's.
func (s *Service) Decode(op string, query url.Values, body []byte, in any) error {
	p, v, err := s.planFor(op, false, in)
	if err != nil {
		return err
	}
	if err := Syntax(body); err != nil {
		return err
	}
	d := decoder{cursor: cursor{body: body}}
	if len(body) > 0 && d.next() != 'n' {
		err = d.value(p, v, nil)
	}
	for i := range p.fields {
		if f := &p.fields[i]; f.query && query.Has(f.name) {
			v.Field(f.index).Set(reflect.ValueOf(new(query.Get(f.name))))
		}
	}
	if err == nil {
		err = d.validate(p, v)
	}
	if err != nil {
		p.secrets(v, Secret.Wipe)
	}
	return err
}

// Wipe overwrites the secrets of an operation's request. They stay present, so that Redact still names them.
func (s *Service) Wipe(op string, in any) {
	if p, v, err := s.planFor(op, false, in); err == nil {
		p.secrets(v, Secret.Wipe)
	}
}

type decoder struct {
	cursor
	nulls map[string]bool // paths of the list items that are null, which a Go slice cannot tell
}

var typeNames = map[kind]string{
	text: "String", boolean: "Boolean", integer: "Integer", long: "Long", timestamp: "Timestamp",
}

// mismatch is the framework's sentence about a token that cannot become the kind.
func (d *decoder) mismatch(k kind, at *path) error {
	name, scalar := typeNames[k]
	token := "NUMBER_VALUE"
	switch d.next() {
	case '[':
		return wrongType("Start of list found where not expected", at)
	case '{':
		return wrongType("Start of structure or map found where not expected", at)
	case '"':
		token = "STRING_VALUE"
	case 't':
		token = "TRUE_VALUE"
	case 'f':
		token = "FALSE_VALUE"
	}
	if !scalar {
		return wrongType("Unexpected field type", at)
	}
	return wrongType(token+" can not be converted to "+name, at)
}

func wrongType(message string, at *path) error {
	where := at.String()
	if where == "" {
		where = "the body"
	}
	return fault.New(fault.Serialization, message).Because(fmt.Errorf("%s has the wrong type", where))
}

func (d *decoder) value(p *plan, v reflect.Value, at *path) error {
	first := d.next()
	switch {
	case p.kind == structure && first == '{':
		return d.structure(p, v, at)
	case p.kind == list && first == '[':
		return d.list(p, v, at)
	case p.kind == dictionary && first == '{':
		return d.dictionary(p, v, at)
	case p.kind == text && first == '"':
		if value := unquote(d.quoted()); p.secret {
			v.Set(reflect.ValueOf(NewSecret(value)))
		} else {
			v.SetString(string(value))
		}
		return nil
	case p.kind == boolean && (first == 't' || first == 'f'):
		v.SetBool(d.word()[0] == 't')
		return nil
	case first == '-' || '0' <= first && first <= '9':
		return d.number(p, v, at)
	}
	return d.mismatch(p.kind, at)
}

func (d *decoder) structure(p *plan, v reflect.Value, at *path) error {
	given := 0
	err := d.members(func(name []byte) error {
		known, ok := p.byName[string(name)]
		if !ok {
			known, ok = p.byName[string(unquote(name))]
		}
		if !ok || d.next() == 'n' || p.fields[known].query {
			d.skip()
			return nil
		}
		given++
		f := &p.fields[known]
		target := v.Field(f.index)
		if f.pointer {
			target.Set(reflect.New(f.typ))
			target = target.Elem()
		}
		return d.value(f.plan, target, &path{above: at, name: f.path})
	})
	if err == nil && p.union && given != 1 {
		return wrongType("Exactly one member of a union must be set", at)
	}
	return err
}

// dictionary leaves out the keys whose value is null.
func (d *decoder) dictionary(p *plan, v reflect.Value, at *path) error {
	v.Set(reflect.MakeMap(p.typ))
	return d.members(func(name []byte) error {
		if d.next() == 'n' {
			d.skip()
			return nil
		}
		key, item := reflect.ValueOf(string(unquote(name))), reflect.New(p.item.typ).Elem()
		if err := d.value(p.item, item, &path{above: at, name: key.String()}); err != nil {
			return err
		}
		v.SetMapIndex(key, item)
		return nil
	})
}

func (d *decoder) list(p *plan, v reflect.Value, at *path) error {
	v.Set(reflect.MakeSlice(p.typ, 0, 0))
	return d.items(func() error {
		here := &path{above: at, item: v.Len() + 1}
		v.Set(reflect.Append(v, reflect.Zero(p.item.typ)))
		if d.next() == 'n' {
			d.skip()
			d.null(here)
			return nil
		}
		return d.value(p.item, v.Index(v.Len()-1), here)
	})
}

func (d *decoder) null(at *path) {
	if d.nulls == nil {
		d.nulls = map[string]bool{}
	}
	d.nulls[at.String()] = true
}

func (d *decoder) number(p *plan, v reflect.Value, at *path) error {
	start := d.at
	word := d.word()
	switch p.kind {
	case timestamp:
		var t Timestamp
		if t.UnmarshalJSON(word) == nil {
			v.Set(reflect.ValueOf(t))
			return nil
		}
	case integer, long:
		if n, err := whole(string(word)); err == nil && !v.OverflowInt(n) {
			v.SetInt(n)
			return nil
		}
	}
	d.at = start
	return d.mismatch(p.kind, at)
}

var errNotWhole = errors.New("not a whole number")

func whole(word string) (int64, error) {
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		return 0, errNotWhole
	}
	return int64(f), nil
}
