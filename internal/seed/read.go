package seed

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/strict"
	"latchkey/internal/wire"
)

// reader takes YAML nodes apart and notes every problem with its place.
type reader struct {
	file     string
	problems []problem
}

type problem struct {
	line int
	err  error
}

func (r *reader) at(node *yaml.Node) At { return At{r.file, node.Line} }

func (r *reader) report(at At, format string, args ...any) {
	r.problems = append(r.problems, problem{at.line, fmt.Errorf("%s: %w", at, fmt.Errorf(format, args...))})
}

// err joins the problems in the file's order.
func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b problem) int { return a.line - b.line })
	errs := make([]error, 0, len(r.problems))
	for _, p := range r.problems {
		errs = append(errs, p.err)
	}
	return errors.Join(errs...)
}

// list is a list's items.
func (r *reader) list(node *yaml.Node, what string) []*yaml.Node {
	if node.Kind != yaml.SequenceNode {
		r.report(r.at(node), "%s: want a list, not %s", what, strict.Describe(node))
		return nil
	}
	return node.Content
}

// text is a string without control characters.
func (r *reader) text(node *yaml.Node, what string) string {
	text, ok := strict.Text(node)
	if !ok {
		r.report(r.at(node), "%s: want a string, not %s", what, strict.Describe(node))
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.report(r.at(node), "%s: has a control character", what)
		return ""
	}
	return text
}

func (r *reader) texts(node *yaml.Node, what string) []string {
	items := r.list(node, what)
	texts := make([]string, 0, len(items))
	for _, item := range items {
		texts = append(texts, r.text(item, what))
	}
	return texts
}

// mapping is the keys and values of a node. Each key is taken by a method that is named after the type it wants; done
// reports those that nothing took.
type mapping struct {
	*reader
	at     At
	what   string
	keys   []*yaml.Node
	values map[string]*yaml.Node
	known  []string
}

func (r *reader) mapping(node *yaml.Node, what string) *mapping {
	m := &mapping{reader: r, at: r.at(node), what: what, values: map[string]*yaml.Node{}}
	if node.Kind != yaml.MappingNode {
		r.report(m.at, "%s: want keys and values, not %s", what, strict.Describe(node))
		return m
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if first := m.values[key.Value]; first != nil {
			r.report(r.at(key), "%s: the key %q is given twice", what, key.Value)
			continue
		}
		m.keys = append(m.keys, key)
		m.values[key.Value] = node.Content[i+1]
	}
	return m
}

// take is a key's value, or nil.
func (m *mapping) take(key string) *yaml.Node {
	m.known = append(m.known, key)
	return m.values[key]
}

// place is where a key is given, and where it is missing that of the whole.
func (m *mapping) place(key string) At {
	if node := m.values[key]; node != nil {
		return m.reader.at(node)
	}
	return m.at
}

func (m *mapping) done() {
	for _, key := range m.keys {
		known := false
		for _, name := range m.known {
			known = known || name == key.Value
		}
		if known {
			continue
		}
		advice := strict.DidYouMean(key.Value, m.known)
		if advice == "" {
			advice = "it has " + strings.Join(m.known, ", ")
		}
		m.report(m.reader.at(key), "%s: unknown key %q: %s", m.what, key.Value, advice)
	}
}

func (m *mapping) string(key string) string {
	if node := m.take(key); node != nil {
		return m.text(node, key)
	}
	return ""
}

func (m *mapping) optional(key string) *string {
	if node := m.take(key); node != nil {
		return new(m.text(node, key))
	}
	return nil
}

func (m *mapping) strings(key string) []string {
	if node := m.take(key); node != nil {
		return m.texts(node, key)
	}
	return nil
}

func (m *mapping) items(key string) []*yaml.Node {
	if node := m.take(key); node != nil {
		return m.list(node, key)
	}
	return nil
}

func (m *mapping) bool(key string) *bool {
	node := m.take(key)
	if node == nil {
		return nil
	}
	var b bool
	if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" || node.Decode(&b) != nil {
		m.report(m.reader.at(node), "%s: want true or false, not %s", key, strict.Describe(node))
	}
	return &b
}

func (m *mapping) flag(key string) bool {
	b := m.bool(key)
	return b != nil && *b
}

func (m *mapping) number(key string, most int) *int {
	node := m.take(key)
	if node == nil {
		return nil
	}
	n, err := strconv.Atoi(node.Value)
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" || err != nil || n < 0 || n > most {
		m.report(m.reader.at(node), "%s: want a number from 0 to %d", key, most)
	}
	return &n
}

const (
	day     = 24 * time.Hour
	longest = 10000 * day
)

func (m *mapping) duration(key string) *Duration {
	node := m.take(key)
	if node == nil {
		return nil
	}
	d, ok := parseDuration(node)
	if !ok {
		m.report(m.reader.at(node), "%s: want a duration such as 30m, 24h or 42d, at most %dd", key, longest/day)
	}
	return new(Duration(d))
}

func parseDuration(node *yaml.Node) (time.Duration, bool) {
	text, ok := strict.Text(node)
	if !ok {
		return 0, false
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * day, err == nil && n <= uint64(longest/day)
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0 && d <= longest
}

// secret is a password: any scalar, for a password of digits alone looks like a number. It is never part of an error.
func (m *mapping) secret(key string) wire.Secret {
	node := m.take(key)
	if node == nil {
		return wire.Secret{}
	}
	text, ok := strict.Text(node)
	switch {
	case !ok:
		m.report(m.reader.at(node), "%s: want a string, not %s; quotes make it one", key, strict.Describe(node))
	case text == "":
		m.report(m.reader.at(node), "%s: is empty", key)
	case strings.ContainsRune(text, 0):
		m.report(m.reader.at(node), "%s: has a NUL character", key)
	}
	return wire.NewSecret([]byte(text))
}
