package authz

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one operator on one key (AWS, "IAM JSON policy elements: Condition operators").
type condition struct {
	operator string // as written
	key      key
	quantor  string // ForAllValues, ForAnyValue, or ""
	negated  bool
	ifExists bool
	absent   []bool // of Null: what each value says
	values   []comparison
}

// lookup is the values of a condition key, by its name in lower case; none for one that a request does not have.
type lookup func(key string) ([]string, error)

// family is an operator without what stands before and behind it.
type family struct {
	// kinds are what it compares; none is everything.
	kinds   []kind
	negated bool
	// test makes the comparison of a key's value with one of the policy's, or says what is wrong with that.
	test func(text string, variables bool) (comparison, error)
}

// comparison compares a key's value with one value of a policy. resolved is false where a variable has no value.
type comparison func(value string, known lookup) (match, resolved bool, err error)

var families = map[string]family{
	"StringEquals":              {nil, false, compareString(false, false)},
	"StringNotEquals":           {nil, true, compareString(false, false)},
	"StringEqualsIgnoreCase":    {nil, false, compareString(false, true)},
	"StringNotEqualsIgnoreCase": {nil, true, compareString(false, true)},
	"StringLike":                {nil, false, compareString(true, false)},
	"StringNotLike":             {nil, true, compareString(true, false)},
	"NumericEquals":             {numbers, false, compareNumber(func(sign int) bool { return sign == 0 })},
	"NumericNotEquals":          {numbers, true, compareNumber(func(sign int) bool { return sign == 0 })},
	"NumericLessThan":           {numbers, false, compareNumber(func(sign int) bool { return sign < 0 })},
	"NumericLessThanEquals":     {numbers, false, compareNumber(func(sign int) bool { return sign <= 0 })},
	"NumericGreaterThan":        {numbers, false, compareNumber(func(sign int) bool { return sign > 0 })},
	"NumericGreaterThanEquals":  {numbers, false, compareNumber(func(sign int) bool { return sign >= 0 })},
	"DateEquals":                {dates, false, compareDate(func(sign int) bool { return sign == 0 })},
	"DateNotEquals":             {dates, true, compareDate(func(sign int) bool { return sign == 0 })},
	"DateLessThan":              {dates, false, compareDate(func(sign int) bool { return sign < 0 })},
	"DateLessThanEquals":        {dates, false, compareDate(func(sign int) bool { return sign <= 0 })},
	"DateGreaterThan":           {dates, false, compareDate(func(sign int) bool { return sign > 0 })},
	"DateGreaterThanEquals":     {dates, false, compareDate(func(sign int) bool { return sign >= 0 })},
	"Bool":                      {[]kind{kindBool}, false, compareBool},
	"IpAddress":                 {[]kind{kindAddress}, false, compareAddress},
	"NotIpAddress":              {[]kind{kindAddress}, true, compareAddress},
	"ArnEquals":                 {[]kind{kindARN}, false, compareARN},
	"ArnLike":                   {[]kind{kindARN}, false, compareARN},
	"ArnNotEquals":              {[]kind{kindARN}, true, compareARN},
	"ArnNotLike":                {[]kind{kindARN}, true, compareARN},
}

var (
	numbers = []kind{kindNumber, kindDate} // aws:EpochTime is compared as either
	dates   = []kind{kindDate}
)

func compareString(wildcards, fold bool) func(string, bool) (comparison, error) {
	return func(text string, variables bool) (comparison, error) {
		p, err := parsePattern(text, wildcards, variables)
		return compare(p, func(p pattern, value string) bool { return p.matches(value, fold) }), err
	}
}

func compareARN(text string, variables bool) (comparison, error) {
	p, err := parsePattern(text, true, variables)
	if err == nil && strings.Count(text, ":") < arnParts-1 {
		err = fmt.Errorf("%q is not an ARN: it has six parts with : between them", text)
	}
	return compare(p, pattern.matchesParts), err
}

func compare(p pattern, matches func(pattern, string) bool) comparison {
	return func(value string, known lookup) (match, resolved bool, err error) {
		expanded, resolved, err := p.expand(known)
		return resolved && err == nil && matches(expanded, value), resolved, err
	}
}

// plain is a comparison without variables. A value of the request that can't be read equals nothing.
func plain(matches func(value string) bool) comparison {
	return func(value string, _ lookup) (match, resolved bool, err error) { return matches(value), true, nil }
}

func compareNumber(holds func(sign int) bool) func(string, bool) (comparison, error) {
	return func(text string, _ bool) (comparison, error) {
		limit, ok := new(big.Rat).SetString(text)
		if !ok || len(text) > maxNumber {
			return nil, fmt.Errorf("%q is not a number", text)
		}
		return plain(func(value string) bool {
			number, ok := new(big.Rat).SetString(value)
			return ok && holds(number.Cmp(limit))
		}), nil
	}
}

// maxNumber bounds what an exponent can make of a number.
const maxNumber = 20

func compareDate(holds func(sign int) bool) func(string, bool) (comparison, error) {
	return func(text string, _ bool) (comparison, error) {
		limit, err := parseDate(text)
		if err != nil {
			return nil, err
		}
		return plain(func(value string) bool {
			date, err := parseDate(value)
			return err == nil && holds(date.Compare(limit))
		}), nil
	}
}

// parseDate reads a date of ISO 8601 in one of the forms of W3C's note, or the seconds since 1970.
func parseDate(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"} {
		if date, err := time.Parse(layout, text); err == nil {
			return date, nil
		}
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a date such as 2026-01-31T12:00:00Z", text)
}

func compareBool(text string, variables bool) (comparison, error) {
	if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
		return nil, fmt.Errorf("%q is neither true nor false", text)
	}
	return plain(func(value string) bool { return strings.EqualFold(value, text) }), nil
}

func compareAddress(text string, _ bool) (comparison, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a CIDR block", text)
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	return plain(func(value string) bool {
		address, err := netip.ParseAddr(value)
		return err == nil && prefix.Contains(address.Unmap())
	}), nil
}

const (
	forAll   = "ForAllValues"
	forAny   = "ForAnyValue"
	ifExists = "IfExists"
)

// parseCondition reads one operator, one key, which find has to know, and the values behind them.
func parseCondition(operator, name, values *node, find func(string) (key, bool), variables bool) (condition, error) {
	c := condition{operator: operator.text}
	base := operator.text
	if quantor, rest, ok := strings.Cut(base, ":"); ok {
		if quantor != forAll && quantor != forAny {
			return c, operator.errorf("%s is neither %s nor %s", quantor, forAll, forAny)
		}
		c.quantor, base = quantor, rest
	}
	base, c.ifExists = strings.CutSuffix(base, ifExists)
	var known bool
	if c.key, known = find(name.text); !known {
		return c, name.errorf("there is no condition key %s", name.text)
	}
	if base == "Null" {
		if c.quantor != "" || c.ifExists {
			return c, operator.errorf("Null stands alone")
		}
		return c, c.parseNull(values)
	}
	f, known := families[base]
	if !known {
		return c, operator.errorf("there is no condition operator %s", operator.text)
	}
	if f.kinds != nil && !slices.Contains(f.kinds, c.key.kind) {
		return c, name.errorf("%s compares no %s, which %s is", base, c.key.kind, c.key.name)
	}
	c.negated = f.negated
	for _, value := range values.list() {
		if value.kind != 0 {
			return c, value.errorf("a value of a condition is a string")
		}
		compares, err := f.test(value.text, variables)
		if err != nil {
			return c, value.errorf("%w", err)
		}
		c.values = append(c.values, compares)
	}
	if len(c.values) == 0 {
		return c, values.errorf("%s has no value", c.key.name)
	}
	return c, nil
}

func (c *condition) parseNull(values *node) error {
	for _, value := range values.list() {
		switch {
		case value.kind == 0 && strings.EqualFold(value.text, "true"):
			c.absent = append(c.absent, true)
		case value.kind == 0 && strings.EqualFold(value.text, "false"):
			c.absent = append(c.absent, false)
		default:
			return value.errorf("Null takes true or false")
		}
	}
	if len(c.absent) == 0 {
		return values.errorf("%s has no value", c.key.name)
	}
	return nil
}

// errUnresolved says that a policy variable has no value in a request.
var errUnresolved = errors.New("a policy variable has no value")

// holds says whether a condition is true of a request. Its error is errUnresolved, or why a value could not be found out.
func (c *condition) holds(known lookup) (bool, error) {
	values, err := known(strings.ToLower(c.key.name))
	if err != nil {
		return false, err
	}
	if c.absent != nil {
		return slices.Contains(c.absent, len(values) == 0), nil
	}
	if len(values) == 0 {
		return c.ifExists || c.quantor == forAll || c.negated && c.quantor != forAny, nil
	}
	// Of a key with several values, without a word about it: one has to be what is wanted, none may be what is not.
	all := c.quantor == forAll || c.quantor == "" && c.negated
	for _, value := range values {
		match, err := c.matches(value, known)
		if err != nil {
			return false, err
		}
		if match == c.negated == all {
			return !all, nil
		}
	}
	return all, nil
}

// matches says whether a value is one of the policy's, whatever the operator makes of that.
func (c *condition) matches(value string, known lookup) (bool, error) {
	for _, compares := range c.values {
		match, resolved, err := compares(value, known)
		switch {
		case err != nil:
			return false, err
		case !resolved:
			return false, errUnresolved
		case match:
			return true, nil
		}
	}
	return false, nil
}
