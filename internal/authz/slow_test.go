package authz

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The slow evaluator reads a policy as the documentation does: one statement after the other, with regular expressions.

type slowPolicy struct{ Statement []slowStatement }

type slowStatement struct {
	Effect            string
	Action, NotAction []string                       `json:",omitempty"`
	Resource          []string                       `json:",omitempty"`
	NotResource       []string                       `json:",omitempty"`
	Condition         map[string]map[string][]string `json:",omitempty"`
}

func slowGlob(pattern, text string, fold bool) bool {
	expression := regexp.QuoteMeta(pattern)
	expression = strings.ReplaceAll(strings.ReplaceAll(expression, `\*`, `.*`), `\?`, `.`)
	if fold {
		expression = "(?i)" + expression
	}
	return regexp.MustCompile("^(?s:" + expression + ")$").MatchString(text)
}

func anyOf(patterns []string, matches func(string) bool) bool {
	return slices.ContainsFunc(patterns, matches)
}

func (s slowStatement) applies(action, resource string, known map[string][]string) bool {
	act := func(p string) bool { return slowGlob(p, action, true) }
	res := func(p string) bool { return slowGlob(p, resource, false) }
	if s.Action != nil && !anyOf(s.Action, act) || s.NotAction != nil && anyOf(s.NotAction, act) {
		return false
	}
	if s.Resource != nil && !anyOf(s.Resource, res) || s.NotResource != nil && anyOf(s.NotResource, res) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, wanted := range keys {
			if !slowCondition(operator, wanted, known[key]) {
				return false
			}
		}
	}
	return true
}

func slowCondition(operator string, wanted, got []string) bool {
	if operator == "Null" {
		return anyOf(wanted, func(w string) bool { return (w == "true") == (len(got) == 0) })
	}
	quantor, base, ok := strings.Cut(operator, ":")
	if !ok {
		quantor, base = "", operator
	}
	base, exists := strings.CutSuffix(base, "IfExists")
	negated := strings.Contains(base, "Not")
	one := func(value string) bool {
		match := anyOf(wanted, func(w string) bool {
			switch strings.Replace(base, "Not", "", 1) {
			case "StringEquals":
				return w == value
			case "StringEqualsIgnoreCase":
				return strings.EqualFold(w, value)
			default:
				return slowGlob(w, value, false)
			}
		})
		return match != negated
	}
	if len(got) == 0 {
		switch {
		case exists, quantor == "ForAllValues":
			return true
		case quantor == "ForAnyValue":
			return false
		}
		return negated
	}
	every, some := true, false
	for _, value := range got {
		every, some = every && one(value), some || one(value)
	}
	if quantor == "ForAllValues" || quantor == "" && negated {
		return every
	}
	return some
}

func (p slowPolicy) decide(action, resource string, known map[string][]string) Effect {
	effect := ImplicitDeny
	for _, s := range p.Statement {
		if s.applies(action, resource, known) {
			if s.Effect == "Deny" {
				return ExplicitDeny
			}
			effect = Allow
		}
	}
	return effect
}

// pick is some of the choices, one at least.
func pick(r *rand.Rand, choices ...string) []string {
	var some []string
	for range 1 + r.IntN(2) {
		some = append(some, choices[r.IntN(len(choices))])
	}
	return some
}

func randomPolicy(r *rand.Rand) slowPolicy {
	var p slowPolicy
	for range 1 + r.IntN(4) {
		s := slowStatement{Effect: []string{"Allow", "Allow", "Deny"}[r.IntN(3)]}
		actions := pick(r, "*", "ds:*", "ds:Reset*", "ds:ResetUserPassword", "ds:?elete*", "ds-data:*", "DS:List*")
		resources := pick(r, "*", "arn:aws:ds:r:1:directory/*", "arn:aws:ds:r:1:directory/d-a", "arn:aws:ds:r:1:directory/d-?", "arn:aws:ds:r:1:directory/*b")
		if r.IntN(4) == 0 {
			s.NotAction = actions
		} else {
			s.Action = actions
		}
		if r.IntN(4) == 0 {
			s.NotResource = resources
		} else {
			s.Resource = resources
		}
		for range r.IntN(3) {
			operator := pick(r, "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase")[0]
			operator = pick(r, "", "", "ForAllValues:", "ForAnyValue:")[0] + operator + pick(r, "", "", "IfExists")[0]
			values := pick(r, "a", "b", "A", "a*", "?", "ab", "*")
			if r.IntN(6) == 0 {
				operator, values = "Null", pick(r, "true", "false")
			}
			if s.Condition == nil {
				s.Condition = map[string]map[string][]string{}
			}
			s.Condition[operator] = map[string][]string{pick(r, "aws:TagKeys", "latchkey:UserGroups", "latchkey:UserName")[0]: values}
		}
		p.Statement = append(p.Statement, s)
	}
	return p
}

func TestAgainstTheSlowEvaluator(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	seen := map[Effect]int{}
	for range 4000 {
		p := randomPolicy(r)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		policy, err := Parse("test", text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		known := map[string][]string{}
		for _, key := range []string{"aws:TagKeys", "latchkey:UserGroups", "latchkey:UserName"} {
			if r.IntN(3) > 0 {
				known[key] = pick(r, "a", "b", "A", "ab", "B")
			}
		}
		request := asked(pick(r, "ds:ResetUserPassword", "ds:DeleteTrust", "ds-data:ListUsers", "ds:ListTags")[0], known)
		request.Resource = pick(r, "*", "arn:aws:ds:r:1:directory/d-a", "arn:aws:ds:r:1:directory/d-b", "arn:aws:ds:r:1:directory/d-bb")[0]
		request.Grant.Policies = []*Policy{policy}
		want := p.decide(request.Action, request.Resource, known)
		got, steps, err := Evaluate(request)
		if err != nil || got != want {
			t.Fatalf("seed %d: %s\n%s on %s with %v: got %s, want %s\n%+v, %v", seed, text, request.Action, request.Resource, known, got, want, steps, err)
		}
		seen[got]++
	}
	for _, effect := range []Effect{Allow, ExplicitDeny, ImplicitDeny} {
		if seen[effect] < 50 {
			t.Errorf("only %d of %s", seen[effect], effect)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":["ds:*"],"Resource":"arn:aws:ds:*:*:directory/${aws:ResourceTag/a, 'b'}","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a*"]},"NumericLessThan":{"aws:EpochTime":"1e9"}}}]}`))
	f.Add([]byte(`{"Statement":{"Effect":"Deny","NotAction":"ds:Reset*","NotResource":"*","Condition":{"Null":{"aws:username":"true"},"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"},"DateLessThan":{"aws:CurrentTime":"2026"}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		policy, err := Parse("fuzz", text)
		if err != nil {
			return
		}
		r := asked("ds:ResetUserPassword", map[string][]string{"aws:TagKeys": {"a", "b"}, "aws:SourceIp": {"10.1.2.3"}})
		r.Grant.Policies = []*Policy{policy}
		if _, _, err := Evaluate(r); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	})
}
