package authz

import (
	"errors"
	"strings"
	"unicode"
)

// part is one piece of a pattern: a character, a wildcard, or a policy variable.
type part struct {
	kind     partKind
	char     rune
	variable string // the key's name in lower case
	fallback string
	defaults bool // fallback stands for a key that is not there
}

type partKind int8

const (
	literal partKind = iota
	anything
	anyOne
	variable
)

// pattern is a string of a policy, with its wildcards and its variables (AWS, "IAM policy elements: Variables and tags").
type pattern []part

// parsePattern reads a string of a policy. In one without wildcards * and ? stand for themselves, and in one without variables
// so does ${.
func parsePattern(text string, wildcards, variables bool) (pattern, error) {
	var p pattern
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "${"); ok && variables {
			name, behind, closed := strings.Cut(rest, "}")
			if !closed {
				return nil, errors.New("a policy variable has no }")
			}
			v, err := parseVariable(name)
			if err != nil {
				return nil, err
			}
			p, text = append(p, v), behind
			continue
		}
		char := []rune(text)[0]
		text = text[len(string(char)):]
		switch {
		case char == '*' && wildcards:
			p = append(p, part{kind: anything})
		case char == '?' && wildcards:
			p = append(p, part{kind: anyOne})
		default:
			p = append(p, part{char: char})
		}
	}
	return p, nil
}

// parseVariable reads what is between ${ and }: a key, perhaps with what stands for it where it is not there.
func parseVariable(text string) (part, error) {
	if text == "*" || text == "?" || text == "$" {
		return part{char: rune(text[0])}, nil
	}
	name, fallback, defaults := strings.Cut(text, ",")
	fallback = strings.TrimSpace(fallback)
	if defaults && (len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'') {
		return part{}, errors.New("the default of a policy variable stands in single quotes")
	}
	name = strings.ToLower(strings.TrimSpace(name))
	k, ok := findKey(name)
	switch {
	case !ok:
		return part{}, errors.New("there is no condition key " + name)
	case k.multi:
		return part{}, errors.New(k.name + " has several values, and can't be a variable")
	}
	v := part{kind: variable, variable: name, defaults: defaults}
	if defaults {
		v.fallback = fallback[1 : len(fallback)-1]
	}
	return v, nil
}

// expand puts values in the place of variables. ok is false where a key has no value and the variable no default.
func (p pattern) expand(known lookup) (expanded pattern, ok bool, err error) {
	for i, each := range p {
		if each.kind != variable {
			if expanded != nil {
				expanded = append(expanded, each)
			}
			continue
		}
		if expanded == nil {
			expanded = append(make(pattern, 0, 2*len(p)), p[:i]...)
		}
		values, err := known(each.variable)
		switch {
		case err != nil:
			return nil, false, err
		case len(values) == 0 && !each.defaults:
			return nil, false, nil
		case len(values) == 0:
			values = []string{each.fallback}
		}
		for _, char := range values[0] {
			expanded = append(expanded, part{char: char})
		}
	}
	if expanded == nil {
		expanded = p
	}
	return expanded, true, nil
}

// matches says whether an expanded pattern is the text.
func (p pattern) matches(text string, fold bool) bool {
	return p.glob([]rune(text), fold, func(int) bool { return true })
}

// matchesARN is matches for the ARN of a Resource: a * crosses a colon only where it ends a part of the pattern (AWS, "IAM JSON
// policy elements: Resource").
func (p pattern) matchesARN(text string) bool {
	return p.glob([]rune(text), false, func(i int) bool { return i+1 == len(p) || p[i+1].kind == literal && p[i+1].char == ':' })
}

// glob finds which beginnings of the text each beginning of the pattern can be. crosses says of a * whether it takes colons.
func (p pattern) glob(text []rune, fold bool, crosses func(int) bool) bool {
	reach := make([]bool, len(text)+1)
	reach[0] = true
	for i, each := range p {
		if each.kind == anything {
			colons := crosses(i)
			for at, char := range text {
				reach[at+1] = reach[at+1] || reach[at] && (char != ':' || colons)
			}
			continue
		}
		for at := len(text); at > 0; at-- {
			char := text[at-1]
			same := each.kind == anyOne || char == each.char || fold && unicode.ToLower(char) == unicode.ToLower(each.char)
			reach[at] = reach[at-1] && same
		}
		reach[0] = false
	}
	return reach[len(text)]
}

const arnParts = 6 // arn:partition:service:region:account:resource

// matchesParts is the comparison of ArnEquals and ArnLike: each of an ARN's six parts by itself (AWS, "IAM JSON policy elements:
// Condition operators").
func (p pattern) matchesParts(text string) bool {
	texts := strings.SplitN(text, ":", arnParts)
	if len(texts) != arnParts {
		return false
	}
	parts := []pattern{nil}
	for _, each := range p {
		if last := len(parts) - 1; each.kind == literal && each.char == ':' && len(parts) < arnParts {
			parts = append(parts, nil)
		} else {
			parts[last] = append(parts[last], each)
		}
	}
	if len(parts) != arnParts {
		return false
	}
	for i, each := range parts {
		if !each.matches(texts[i], false) {
			return false
		}
	}
	return true
}
