package wire

import (
	"reflect"
	"strconv"
	"unicode/utf8"
)

// Encode writes an operation's result: a pointer to its response structure, and anything for one without members. Members are
// in the model's order; an absent one is left out and an empty list is not. Sensitive members are written as they are.
// The body of an operation without output members is empty, as the API reference says. The error is the program's.
func Encode(op string, out any) ([]byte, error) {
	if known, ok := dsOperations[op]; ok && len(dsShapes[known.output].members) == 0 {
		return nil, nil
	}
	p, v, err := planFor(op, true, out)
	if err != nil {
		return nil, err
	}
	return p.append(make([]byte, 0, 512), v), nil
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
	if p.sensitive {
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
		if !ok {
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
