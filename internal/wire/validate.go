package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"latchkey/internal/fault"
)

const (
	maxShownValue      = 256 // code points of a value in a message
	maxShownItems      = 20  // items of a list in a message
	maxShownViolations = 100
)

// path is where a value lies in a request, from the inside out: a member's name, or an item's number.
type path struct {
	above *path
	name  string
	item  int
}

// String is tags.1.member.key.
func (p *path) String() string {
	if p == nil {
		return ""
	}
	own := p.name
	if p.item > 0 {
		own = strconv.Itoa(p.item) + ".member"
	}
	if p.above == nil {
		return own
	}
	return p.above.String() + "." + own
}

// violations are the sentences of one ValidationException.
type violations struct {
	nulls map[string]bool
	count int
	shown []string
}

// validate reports every violation of the request: members in the model's order, and of one member the pattern, the
// length or range, the set of values. Lengths count Unicode code points.
func (d *decoder) validate(p *plan, v reflect.Value) error {
	all := violations{nulls: d.nulls}
	all.structure(p, v, nil)
	if all.count == 0 {
		return nil
	}
	noun := "errors"
	if all.count == 1 {
		noun = "error"
	}
	return fault.Newf(fault.Validation, "%d validation %s detected: %s", all.count, noun, strings.Join(all.shown, "; "))
}

func (all *violations) add(value string, at *path, constraint string) {
	all.count++
	if len(all.shown) < maxShownViolations {
		all.shown = append(all.shown, "Value "+value+"at '"+clip(at.String())+"' failed to satisfy constraint: "+constraint)
	}
}

const (
	nullValue = "null "
	notNull   = "Member must not be null"
)

func (all *violations) structure(p *plan, v reflect.Value, at *path) {
	for i := range p.fields {
		f := &p.fields[i]
		inner, ok := f.value(v)
		if !ok && !f.required {
			continue
		}
		here := path{above: at, name: f.path}
		if !ok {
			all.add(nullValue, &here, notNull)
			continue
		}
		all.value(f.plan, inner, &here)
	}
}

func (all *violations) value(p *plan, v reflect.Value, at *path) {
	switch p.kind {
	case structure:
		all.structure(p, v, at)
	case list:
		all.list(p, v, at)
	case dictionary:
		all.dictionary(p, v, at)
	default:
		for _, broken := range p.broken(v) {
			all.add(p.shown(v), at, broken)
		}
	}
}

// list reports a structure's members at their own path, and scalar items together at the list's: AWS lists all that the
// items have to satisfy, whichever of it one of them does not.
func (all *violations) list(p *plan, v reflect.Value, at *path) {
	for _, broken := range p.bounds(v.Len(), "length") {
		all.add(all.shownList(p, v, at), at, broken)
	}
	null, wrong := false, false
	for i := range v.Len() {
		here := path{above: at, item: i + 1}
		switch {
		case len(all.nulls) > 0 && all.nulls[here.String()]:
			if p.item.kind == structure {
				all.add(nullValue, &here, notNull)
			} else {
				null = true
			}
		case p.item.kind == structure || p.item.kind == list:
			all.value(p.item, v.Index(i), &here)
		default:
			wrong = wrong || len(p.item.broken(v.Index(i))) > 0
		}
	}
	if null || wrong {
		constraints := p.item.constraints()
		if null {
			constraints = append(constraints, notNull)
		}
		all.add(all.shownList(p, v, at), at, "Member must satisfy constraint: ["+strings.Join(constraints, ", ")+"]")
	}
}

// dictionary reports its keys together at its own path, and each value at its key.
func (all *violations) dictionary(p *plan, v reflect.Value, at *path) {
	for _, broken := range p.bounds(v.Len(), "length") {
		all.add("", at, broken)
	}
	wrong := false
	for _, key := range sortedKeys(v) {
		wrong = wrong || len(p.key.broken(key)) > 0
		all.value(p.item, v.MapIndex(key), &path{above: &path{above: at, name: key.String()}, name: "member"})
	}
	if wrong {
		all.add("", at, "Map keys must satisfy constraint: ["+strings.Join(p.key.constraints(), ", ")+"]")
	}
}

func mostText(what string, n int) string {
	return "Member must have " + what + " less than or equal to " + strconv.Itoa(n)
}

func leastText(what string, n int) string {
	return "Member must have " + what + " greater than or equal to " + strconv.Itoa(n)
}

func (s *shape) patternText() string {
	return "Member must satisfy regular expression pattern: " + s.pattern
}

func (s *shape) enumText() string {
	return "Member must satisfy enum value set: [" + strings.Join(s.enum, ", ") + "]"
}

// constraints is all that a scalar has to satisfy.
func (p *plan) constraints() []string {
	what := "length"
	if p.kind == integer || p.kind == long {
		what = "value"
	}
	var all []string
	if p.max != nil {
		all = append(all, mostText(what, *p.max))
	}
	if p.min != nil {
		all = append(all, leastText(what, *p.min))
	}
	if p.pattern != "" {
		all = append(all, p.patternText())
	}
	if len(p.enum) > 0 {
		all = append(all, p.enumText())
	}
	return all
}

func (p *plan) bounds(n int, what string) []string {
	var broken []string
	if p.max != nil && n > *p.max {
		broken = append(broken, mostText(what, *p.max))
	}
	if p.min != nil && n < *p.min {
		broken = append(broken, leastText(what, *p.min))
	}
	return broken
}

// broken is what a scalar does not satisfy.
func (p *plan) broken(v reflect.Value) []string {
	switch p.kind {
	case integer, long:
		return p.bounds(int(v.Int()), "value")
	case text:
	default:
		return nil
	}
	var value []byte
	if p.secret {
		value = v.Interface().(Secret).Bytes()
	} else {
		value = []byte(v.String())
	}
	var broken []string
	if p.match != nil && !p.match(value) {
		broken = append(broken, p.patternText())
	}
	broken = append(broken, p.bounds(utf8.RuneCount(value), "length")...)
	if len(p.enum) > 0 && !slices.Contains(p.enum, string(value)) {
		broken = append(broken, p.enumText())
	}
	return broken
}

// shown is a value as a violation writes it, with the space after it: nothing for a sensitive one.
func (p *plan) shown(v reflect.Value) string {
	if p.sensitive {
		return ""
	}
	return "'" + clip(fmt.Sprint(v.Interface())) + "' "
}

func (all *violations) shownList(p *plan, v reflect.Value, at *path) string {
	if p.item.sensitive || p.item.kind == structure || p.item.kind == list {
		return ""
	}
	var items []string
	for i := range min(v.Len(), maxShownItems) {
		if len(all.nulls) > 0 && all.nulls[(&path{above: at, item: i + 1}).String()] {
			items = append(items, "null")
			continue
		}
		items = append(items, clip(fmt.Sprint(v.Index(i).Interface())))
	}
	if v.Len() > maxShownItems {
		items = append(items, "...")
	}
	return "'[" + strings.Join(items, ", ") + "]' "
}

// clip cuts what a client sent to a length that a message and a log can bear.
func clip(s string) string {
	n := 0
	for i := range s {
		if n == maxShownValue {
			return s[:i] + "..."
		}
		n++
	}
	return s
}
