package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// plan is a shape bound to the Go type that holds it: what decoding, validating, encoding and redacting walk.
type plan struct {
	*shape
	name   string
	typ    reflect.Type
	match  func([]byte) bool // nil without a pattern
	fields []field
	byName map[string]int
	item   *plan
	key    *plan
	secret bool // a sensitive text that can be wiped
}

// field is a structure's member. It is absent when its value is nil or the zero Secret.
type field struct {
	*plan
	name     string
	path     string // the name as messages and the audit trail write it: its first letter in lower case
	index    int
	required bool
	query    bool
	pointer  bool
}

type planKey struct {
	service  *Service
	op       string
	response bool
	typ      reflect.Type
}

var (
	plans    sync.Map // planKey to *plan
	matchers sync.Map // pattern to func([]byte) bool
)

var (
	secretType    = reflect.TypeFor[Secret]()
	timestampType = reflect.TypeFor[Timestamp]()
	scalarTypes   = map[kind]reflect.Type{
		text:      reflect.TypeFor[string](),
		boolean:   reflect.TypeFor[bool](),
		integer:   reflect.TypeFor[int32](),
		long:      reflect.TypeFor[int64](),
		timestamp: timestampType,
	}
)

// planFor is the plan of an operation's request or response, and the structure that value points to.
// Its errors are the program's, never the client's.
func (s *Service) planFor(op string, response bool, value any) (*plan, reflect.Value, error) {
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem().Kind() != reflect.Struct {
		return nil, reflect.Value{}, fmt.Errorf("wire: %s: %T is no pointer to a structure", op, value)
	}
	key := planKey{s, op, response, v.Type()}
	if found, ok := plans.Load(key); ok {
		return found.(*plan), v.Elem(), nil
	}
	known, ok := s.operations[op]
	if !ok {
		return nil, reflect.Value{}, fmt.Errorf("wire: %s has no operation %q", s.Name, op)
	}
	name := known.input
	if response {
		name = known.output
	}
	made, err := s.newPlan(name, v.Type().Elem())
	if err != nil {
		return nil, reflect.Value{}, fmt.Errorf("wire: %s: %w", op, err)
	}
	found, _ := plans.LoadOrStore(key, made)
	return found.(*plan), v.Elem(), nil
}

func (s *Service) newPlan(name string, typ reflect.Type) (*plan, error) {
	of := s.shapes[name]
	p := &plan{shape: of, name: name, typ: typ}
	if of.pattern != "" {
		match, err := matcher(of.pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.match = match
	}
	mismatch := func() error { return fmt.Errorf("%s does not fit the Go type %v", name, typ) }
	var err error
	switch of.kind {
	case structure:
		if typ.Kind() != reflect.Struct {
			return nil, mismatch()
		}
		err = s.planFields(p)
	case list:
		if typ.Kind() != reflect.Slice {
			return nil, mismatch()
		}
		p.item, err = s.newPlan(of.item, typ.Elem())
	case dictionary:
		if typ.Kind() != reflect.Map {
			return nil, mismatch()
		}
		if p.key, err = s.newPlan(of.key, typ.Key()); err == nil {
			p.item, err = s.newPlan(of.item, typ.Elem())
		}
	default:
		want := scalarTypes[of.kind]
		if p.secret = of.sensitive && s.wiped; p.secret {
			want = secretType
		}
		if typ != want {
			return nil, mismatch()
		}
	}
	return p, err
}

// planFields binds every member to the field of its name, and refuses a field that is no member.
func (s *Service) planFields(p *plan) error {
	if p.typ.NumField() != len(p.members) {
		return fmt.Errorf("%s has %d members and %v %d fields", p.name, len(p.members), p.typ, p.typ.NumField())
	}
	p.byName = make(map[string]int, len(p.members))
	for i, m := range p.members {
		found, ok := p.typ.FieldByName(m.name)
		if !ok {
			return fmt.Errorf("%v has no field %s", p.typ, m.name)
		}
		typ, pointer := found.Type, false
		if typ.Kind() == reflect.Pointer {
			typ, pointer = typ.Elem(), true
		}
		inner, err := s.newPlan(m.shape, typ)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", p.name, m.name, err)
		}
		if !pointer && inner.kind != list && inner.kind != dictionary && typ != secretType {
			return fmt.Errorf("%s.%s cannot be absent in Go", p.name, m.name)
		}
		p.fields = append(p.fields, field{
			plan: inner, name: m.name, path: strings.ToLower(m.name[:1]) + m.name[1:],
			index: found.Index[0], required: m.required, query: m.query, pointer: pointer,
		})
		p.byName[m.name] = i
	}
	return nil
}

// value is the member's value in the structure v; false when it is absent.
func (f *field) value(v reflect.Value) (reflect.Value, bool) {
	inner := v.Field(f.index)
	if inner.IsZero() {
		return inner, false
	}
	if f.pointer {
		inner = inner.Elem()
	}
	return inner, true
}

func sortedKeys(v reflect.Value) []reflect.Value {
	return slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int {
		return strings.Compare(a.String(), b.String())
	})
}

// secrets visits every Secret of v that is present.
func (p *plan) secrets(v reflect.Value, visit func(Secret)) {
	switch {
	case p.secret:
		visit(v.Interface().(Secret))
	case p.kind == structure:
		for i := range p.fields {
			f := &p.fields[i]
			if inner, ok := f.value(v); ok {
				f.secrets(inner, visit)
			}
		}
	case p.kind == list:
		for i := range v.Len() {
			p.item.secrets(v.Index(i), visit)
		}
	}
}
