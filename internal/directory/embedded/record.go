package embedded

import (
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"unique"
)

// record is an entry's stored attributes, packed: a directory holds millions of values, most of them a few bytes. Entries
// that have the same attributes share their names. It is never changed.
type record struct {
	names  unique.Handle[string] // each behind its length, in their order
	values string                // of each name in turn: their number, then each behind its length
}

// newRecord packs the attributes. In the same piece of memory it keeps texts that are needed as long, and gives them back.
func newRecord(attributes map[string][]string, texts ...*string) record {
	names := slices.Sorted(maps.Keys(attributes))
	var head, body []byte
	for _, name := range names {
		values := attributes[name]
		if len(values) == 0 {
			continue
		}
		head = append(binary.AppendUvarint(head, uint64(len(name))), name...)
		body = binary.AppendUvarint(body, uint64(len(values)))
		for _, value := range values {
			body = append(binary.AppendUvarint(body, uint64(len(value))), value...)
		}
	}
	size := len(body)
	for _, text := range texts {
		body = append(body, *text...)
	}
	whole := string(body)
	rest := whole[size:]
	for _, text := range texts {
		*text, rest = rest[:len(*text)], rest[len(*text):]
	}
	if size == 0 {
		return record{}
	}
	return record{unique.Make(string(head)), whole[:size]}
}

// cutNumber takes a number off the front of what newRecord has packed.
func cutNumber(s string) (number int, rest string) {
	if s[0] < 0x80 {
		return int(s[0]), s[1:]
	}
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		number |= int(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return number, s[i+1:]
		}
	}
}

func cutText(s string) (text, rest string) {
	length, rest := cutNumber(s)
	return rest[:length], rest[length:]
}

// find is how many values the attribute has, and where they begin.
func (r record) find(attribute string) (count int, values string) {
	if r.values == "" {
		return 0, ""
	}
	values = r.values
	for name, names := "", r.names.Value(); names != ""; {
		name, names = cutText(names)
		count, values = cutNumber(values)
		if name == attribute {
			return count, values
		}
		for range count {
			_, values = cutText(values)
		}
	}
	return 0, ""
}

// first is the attribute's first value, "" if there is none.
func (r record) first(attribute string) string {
	count, values := r.find(attribute)
	if count == 0 {
		return ""
	}
	value, _ := cutText(values)
	return value
}

// of is the values of the attribute.
func (r record) of(attribute string) []string {
	count, values := r.find(attribute)
	if count == 0 {
		return nil
	}
	return unpack(count, values)
}

func unpack(count int, values string) []string {
	all := make([]string, count)
	for i := range all {
		all[i], values = cutText(values)
	}
	return all
}

// each is every attribute that has values, in the order of their names.
func (r record) each() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if r.values == "" {
			return
		}
		values := r.values
		for names := r.names.Value(); names != ""; {
			var name string
			var count int
			name, names = cutText(names)
			count, values = cutNumber(values)
			if !yield(name, unpack(count, values)) {
				return
			}
			for range count {
				_, values = cutText(values)
			}
		}
	}
}

// unpacked is the attributes in a form that can be changed.
func (r record) unpacked() map[string][]string {
	attributes := maps.Collect(r.each())
	if attributes == nil {
		attributes = map[string][]string{}
	}
	return attributes
}
