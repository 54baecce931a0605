package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/store"
)

// verdict is a filter's three-valued answer (RFC 4511 section 4.5.1.7): an assertion on an unknown attribute, or with a
// value that its syntax does not allow, is neither true nor false.
type verdict int8

const (
	no verdict = iota
	maybe
	yes
)

func truth(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// predicate is a compiled filter.
type predicate interface {
	match(t *tree, n *node) verdict
	// candidates is a set that holds every entry that can match, found by an index; ok is false where no index helps, or gives
	// more than most.
	candidates(t *tree, most int) (found []*node, ok bool)
}

// AD's extensible matching rules (MS-ADTS section 3.1.1.3.4.4).
const (
	ruleBitAnd  = "1.2.840.113556.1.4.803"
	ruleBitOr   = "1.2.840.113556.1.4.804"
	ruleInChain = "1.2.840.113556.1.4.1941"
)

const maxFilterDepth = 64

var errFilter = errors.New("the filter is not valid")

// compileFilter reads the string form of a filter (RFC 4515).
func (t *tree) compileFilter(filter string) (predicate, error) {
	packet, err := ldap.CompileFilter(filter)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFilter, err)
	}
	return t.compile(packet, 0)
}

func (t *tree) compile(packet *ber.Packet, depth int) (predicate, error) {
	if depth > maxFilterDepth {
		return nil, fmt.Errorf("%w: it is nested too deep", errFilter)
	}
	switch packet.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		parts := make([]predicate, len(packet.Children))
		for i, child := range packet.Children {
			part, err := t.compile(child, depth+1)
			if err != nil {
				return nil, err
			}
			parts[i] = part
		}
		switch packet.Tag {
		case ldap.FilterAnd:
			return all(parts), nil
		case ldap.FilterOr:
			return anyOf(parts), nil
		}
		if len(parts) != 1 {
			return nil, fmt.Errorf("%w: not has one operand", errFilter)
		}
		return not{parts[0]}, nil
	case ldap.FilterPresent:
		if strings.EqualFold(packetText(packet), "objectClass") {
			return everything{}, nil
		}
		if a := t.schema.attribute(packetText(packet)); a != nil {
			return present{a}, nil
		}
		return undefined{}, nil
	case ldap.FilterSubstrings:
		return t.compileSubstrings(packet)
	case ldap.FilterExtensibleMatch:
		return t.compileExtensible(packet)
	case ldap.FilterEqualityMatch, ldap.FilterApproxMatch, ldap.FilterGreaterOrEqual, ldap.FilterLessOrEqual:
		if len(packet.Children) != 2 {
			return nil, fmt.Errorf("%w: an assertion has an attribute and a value", errFilter)
		}
		return t.compileAssertion(packet.Tag, packetText(packet.Children[0]), packetText(packet.Children[1]))
	}
	return nil, fmt.Errorf("%w: unknown kind %d", errFilter, packet.Tag)
}

func packetText(packet *ber.Packet) string {
	if s, ok := packet.Value.(string); ok {
		return s
	}
	return packet.Data.String()
}

func (t *tree) compileAssertion(kind ber.Tag, attributeName, value string) (predicate, error) {
	a := t.schema.attribute(attributeName)
	if a != nil && a.name == "aNR" {
		return t.compileANR(value), nil
	}
	if a != nil && a.name == "objectClass" {
		if c := t.schema.class(value); c != nil {
			value = c.name // it may be the class's OID
		}
	}
	if a == nil || a.unkept {
		return undefined{}, nil
	}
	if a.name == "objectCategory" && !strings.Contains(value, "=") {
		category, known := t.schema.categoryOf(value)
		if !known {
			return undefined{}, nil
		}
		value = t.categoryDN(category)
	}
	if guid, ok := parseGUIDText(value); ok && a.name == "objectGUID" {
		value = guidBytes(guid)
	}
	normal, err := a.normalize(value)
	if err != nil {
		return undefined{}, nil
	}
	switch kind {
	case ldap.FilterGreaterOrEqual:
		return ordered{a, normal, true}, nil
	case ldap.FilterLessOrEqual:
		return ordered{a, normal, false}, nil
	}
	if a.link || a.front != "" {
		target, _ := t.resolve(strings.Split(normal, "\x00"))
		switch {
		case target == nil:
			return oneOf{}, nil
		case a.link:
			return linked{a.name, false, target.guid}, nil
		}
		return linked{a.front, true, target.guid}, nil
	}
	return equal{a, normal}, nil
}

func (t *tree) compileSubstrings(packet *ber.Packet) (predicate, error) {
	if len(packet.Children) != 2 {
		return nil, fmt.Errorf("%w: substrings have an attribute and parts", errFilter)
	}
	a := t.schema.attribute(packetText(packet.Children[0]))
	if a == nil || a.syntax != text && a.syntax != exact {
		return undefined{}, nil
	}
	s := substrings{attribute: a}
	for _, part := range packet.Children[1].Children {
		value := foldText(packetText(part))
		if a.syntax == exact {
			value = packetText(part)
		}
		switch part.Tag {
		case ldap.FilterSubstringsInitial:
			s.initial = value
		case ldap.FilterSubstringsAny:
			s.middle = append(s.middle, value)
		case ldap.FilterSubstringsFinal:
			s.final = value
		}
	}
	return s, nil
}

func (t *tree) compileExtensible(packet *ber.Packet) (predicate, error) {
	var rule, attributeName, value string
	for _, part := range packet.Children {
		switch part.Tag {
		case ldap.MatchingRuleAssertionMatchingRule:
			rule = packetText(part)
		case ldap.MatchingRuleAssertionType:
			attributeName = packetText(part)
		case ldap.MatchingRuleAssertionMatchValue:
			value = packetText(part)
		}
	}
	if rule == "" {
		return t.compileAssertion(ldap.FilterEqualityMatch, attributeName, value)
	}
	a := t.schema.attribute(attributeName)
	if a == nil {
		return undefined{}, nil
	}
	switch rule {
	case ruleBitAnd, ruleBitOr:
		mask, err := strconv.ParseInt(value, 10, 64)
		if err != nil || a.syntax != integer {
			return undefined{}, nil
		}
		return bits{a, uint64(mask), rule == ruleBitAnd}, nil
	case ruleInChain:
		return t.compileChain(a, value)
	}
	return undefined{}, nil
}

// compileChain walks links to their end. The set is found once, when the filter is compiled.
func (t *tree) compileChain(a *attribute, value string) (predicate, error) {
	n, err := parseDN(value)
	if err != nil || a.syntax != dn {
		return undefined{}, nil
	}
	start, _ := t.resolve(n)
	if start == nil {
		return oneOf{}, nil
	}
	switch {
	case a.link:
		return oneOf(t.closure(t.backward, a.name, start)), nil
	case a.name == "memberOf":
		return oneOf(t.closure(t.forward, "member", start)), nil
	}
	return undefined{}, nil
}

type (
	everything struct{}
	undefined  struct{}
	all        []predicate
	anyOf      []predicate
	not        struct{ of predicate }
	present    struct{ attribute *attribute }
	equal      struct {
		attribute *attribute
		value     string
	}
	ordered struct {
		attribute *attribute
		value     string
		atLeast   bool
	}
	substrings struct {
		attribute *attribute
		initial   string
		middle    []string
		final     string
	}
	bits struct {
		attribute *attribute
		mask      uint64
		every     bool
	}
	oneOf map[store.GUID]*node
	// linked is equality of a link attribute, or of its other side.
	linked struct {
		attributeName string
		back          bool
		to            store.GUID
	}
)

func (everything) match(*tree, *node) verdict { return yes }
func (undefined) match(*tree, *node) verdict  { return maybe }

func (p all) match(t *tree, n *node) verdict {
	result := yes
	for _, part := range p {
		if result = min(result, part.match(t, n)); result == no {
			return no
		}
	}
	return result
}

func (p anyOf) match(t *tree, n *node) verdict {
	result := no
	for _, part := range p {
		if result = max(result, part.match(t, n)); result == yes {
			return yes
		}
	}
	return result
}

func (p not) match(t *tree, n *node) verdict { return yes - p.of.match(t, n) }

func (p present) match(t *tree, n *node) verdict {
	return truth(len(t.valuesOf(n, p.attribute)) > 0)
}

func (p equal) match(t *tree, n *node) verdict {
	return t.matches(n, p.attribute, func(normal string) bool { return normal == p.value })
}

func (p ordered) match(t *tree, n *node) verdict {
	return t.matches(n, p.attribute, func(normal string) bool {
		order := strings.Compare(normal, p.value)
		if p.attribute.syntax == integer {
			a, _ := strconv.ParseInt(normal, 10, 64)
			b, _ := strconv.ParseInt(p.value, 10, 64)
			order = cmp.Compare(a, b)
		}
		return order == 0 || (order > 0) == p.atLeast
	})
}

func (p substrings) match(t *tree, n *node) verdict {
	return t.matches(n, p.attribute, func(normal string) bool {
		rest, ok := strings.CutPrefix(normal, p.initial)
		for _, part := range p.middle {
			if !ok {
				return false
			}
			_, rest, ok = strings.Cut(rest, part)
		}
		return ok && strings.HasSuffix(rest, p.final)
	})
}

func (p bits) match(t *tree, n *node) verdict {
	return t.matches(n, p.attribute, func(normal string) bool {
		value, _ := strconv.ParseInt(normal, 10, 64)
		common := uint64(value) & p.mask
		return common == p.mask && p.every || common != 0 && !p.every
	})
}

func (p oneOf) match(_ *tree, n *node) verdict { return truth(p[n.guid] != nil) }

func (p linked) match(t *tree, n *node) verdict {
	if p.back {
		return truth(t.hasLink(p.attributeName, p.to, n.guid))
	}
	return truth(t.hasLink(p.attributeName, n.guid, p.to))
}

// matches says whether a value of the attribute passes the test, in normal form.
func (t *tree) matches(n *node, a *attribute, test func(normal string) bool) verdict {
	passes := func(value string) bool {
		normal, err := a.normalize(value)
		return err == nil && test(normal)
	}
	if a.link || a.virtual {
		return truth(slices.ContainsFunc(t.valuesOf(n, a), passes))
	}
	count, values := n.attributes.find(a.name)
	for value := ""; count > 0; count-- {
		if value, values = cutText(values); passes(value) {
			return yes
		}
	}
	return no
}
