package authz

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Conditions is the Condition of a role's trust in an identity provider.
type Conditions struct{ all []condition }

// NewConditions reads the values of keys by operators. The keys are those of AWS that begin with aws:, and provider:CLAIM, such as
// accounts.google.com:aud, for what a token of the provider says.
func NewConditions(element map[string]map[string][]string, provider string) (*Conditions, error) {
	find := func(name string) (key, bool) {
		if claim, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(provider)+":"); ok && claim != "" {
			return key{name, kindString, true}, true
		}
		k, known := findKey(name)
		return k, known && strings.HasPrefix(k.name, "aws:")
	}
	c := &Conditions{}
	for _, operator := range slices.Sorted(maps.Keys(element)) {
		for _, name := range slices.Sorted(maps.Keys(element[operator])) {
			values := &node{kind: '['}
			for _, text := range element[operator][name] {
				values.items = append(values.items, &node{text: text, quoted: true})
			}
			each, err := parseCondition(&node{text: operator}, &node{text: name}, values, find, true)
			if err != nil {
				return nil, fmt.Errorf("condition: %w", err)
			}
			c.all = append(c.all, each)
		}
	}
	return c, nil
}

// Hold says whether all conditions are true of a request.
func (c *Conditions) Hold(r *Request) (bool, error) {
	for _, each := range c.all {
		held, err := each.holds(r.values)
		switch {
		case errors.Is(err, errUnresolved):
			return false, nil
		case err != nil || !held:
			return false, err
		}
	}
	return true, nil
}
