package wire

import (
	"net/url"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// Encode writes an operation's result: a pointer to its response structure, and anything for one without members. Members are
// in the model's order; an absent one is left out and an empty list is not. Sensitive members are written as they are.
// The body of an operation without output members is empty in JSON 1.1, as the API reference says, and {} in REST. The error
// is the program's.
func (s *Service) Encode(op string, out any) ([]byte, error) {
	if known, ok := s.operations[op]; ok && len(s.shapes[known.output].members) == 0 {
		if s.rest {
			return []byte("{}"), nil
		}
		return nil, nil
	}
	p, v, err := s.planFor(op, true, out)
	if err != nil {
		return nil, err
	}
	return p.append(make([]byte, 0, 512), v), nil
}

// EncodeRequest writes an operation's request, a pointer to its request structure, as a client sends it: of REST the path and
// the query, and the body, {} without members. Sensitive members are written as they are. The error is the program's.
func (s *Service) EncodeRequest(op string, in any) (path string, query url.Values, body []byte, err error) {
	p, v, err := s.planFor(op, false, in)
	if err != nil {
		return "", nil, nil, err
	}
	query = url.Values{}
	for i := range p.fields {
		f := &p.fields[i]
		if inner, ok := f.value(v); ok && f.query {
			query.Set(f.name, inner.String())
		}
	}
	return s.operations[op].path, query, p.append(make([]byte, 0, 512), v), nil
}

// Validate holds an operation's request against the model, as Decode does.
func (s *Service) Validate(op string, in any) error {
	p, v, err := s.planFor(op, false, in)
	if err != nil {
		return err
	}
	return new(decoder).validate(p, v)
}

func (p *plan) append(dst []byte, v reflect.Value) []byte {
	switch p.kind {
	case structure:
		return p.appendStructure(dst, v)
	case list:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.item.append(dst, v.Index(i))
		}
		return append(dst, ']')
	case dictionary:
		dst = append(dst, '{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, key.String()), ':')
			dst = p.item.append(dst, v.MapIndex(key))
		}
		return append(dst, '}')
	case boolean:
		return strconv.AppendBool(dst, v.Bool())
	case integer, long:
		return strconv.AppendInt(dst, v.Int(), 10)
	case timestamp:
		return v.Interface().(Timestamp).appendJSON(dst)
	}
	if p.secret {
		return appendString(dst, v.Interface().(Secret).Bytes())
	}
	return appendString(dst, v.String())
}

func (p *plan) appendStructure(dst []byte, v reflect.Value) []byte {
	dst = append(dst, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		inner, ok := f.value(v)
		if !ok || f.query {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendString(dst, f.name), ':')
		dst = f.append(dst, inner)
	}
	return append(dst, '}')
}

// appendString writes s as JSON, with <, > and & as they are. What is not UTF-8 becomes U+FFFD.
func appendString[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		switch b := s[i]; {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
			i++
		case b == '\n':
			dst = append(dst, '\\', 'n')
			i++
		case b == '\r':
			dst = append(dst, '\\', 'r')
			i++
		case b == '\t':
			dst = append(dst, '\\', 't')
			i++
		case b < ' ' || b == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', digits[b>>4], digits[b&0xf])
			i++
		case b < utf8.RuneSelf:
			dst = append(dst, b)
			i++
		default:
			r, size := utf8.DecodeRune([]byte(s[i:min(len(s), i+utf8.UTFMax)]))
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return append(dst, '"')
}
