package authz

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Policy is an identity-based policy (AWS, "IAM JSON policy elements reference").
type Policy struct {
	// Name is what explanations call it.
	Name       string
	statements []*statement
}

type statement struct {
	sid           string
	line          int
	deny          bool
	notAction     bool
	actions       []pattern
	notResource   bool
	resources     []pattern
	conditions    []condition
	actionTexts   []string
	resourceTexts []string
}

// maxPolicy is how many characters a policy has at most, white space not counted (AWS, "IAM and AWS STS quotas").
const maxPolicy = 6144

// The versions of the policy language. The older one, which is meant where none is named, has no variables.
const (
	versionOld = "2008-10-17"
	versionNew = "2012-10-17"
)

// Parse reads a policy. Its errors say in which line and column what is wrong.
func Parse(name string, text []byte) (*Policy, error) {
	characters := 0
	for _, char := range string(text) {
		if !unicode.IsSpace(char) {
			characters++
		}
	}
	if characters > maxPolicy || len(text) > 8*maxPolicy {
		return nil, fmt.Errorf("the policy has more than %d characters", maxPolicy)
	}
	root, err := readNode(text)
	if err != nil {
		return nil, err
	}
	if root.kind != '{' {
		return nil, root.errorf("a policy is a JSON object")
	}
	var statements *node
	variables := false
	for _, m := range root.members {
		switch m.name.text {
		case "Version":
			if m.value.text != versionOld && m.value.text != versionNew {
				return nil, m.value.errorf("Version is %s or %s", versionNew, versionOld)
			}
			variables = m.value.text == versionNew
		case "Id":
			if !m.value.quoted {
				return nil, m.value.errorf("Id is a string")
			}
		case "Statement":
			statements = m.value
		default:
			return nil, m.name.errorf("a policy has no element %s", m.name.text)
		}
	}
	if statements == nil || statements.kind == 0 {
		return nil, root.errorf("the policy has no Statement")
	}
	policy := &Policy{Name: name}
	for _, each := range statements.list() {
		s, err := parseStatement(each, variables)
		if err != nil {
			return nil, err
		}
		if s.sid != "" && slices.ContainsFunc(policy.statements, func(other *statement) bool { return other.sid == s.sid }) {
			return nil, each.errorf("Sid %s is there twice", s.sid)
		}
		policy.statements = append(policy.statements, s)
	}
	if len(policy.statements) == 0 {
		return nil, statements.errorf("Statement is empty")
	}
	return policy, nil
}

func parseStatement(n *node, variables bool) (*statement, error) {
	if n.kind != '{' {
		return nil, n.errorf("a statement is a JSON object")
	}
	s := &statement{line: n.line}
	effect := false
	for _, m := range n.members {
		var err error
		switch m.name.text {
		case "Sid":
			if !m.value.quoted || strings.ContainsFunc(m.value.text, func(char rune) bool {
				return char > unicode.MaxASCII || !unicode.IsLetter(char) && !unicode.IsDigit(char)
			}) {
				err = m.value.errorf("Sid has letters and digits only")
			}
			s.sid = m.value.text
		case "Effect":
			if m.value.text != "Allow" && m.value.text != "Deny" {
				err = m.value.errorf("Effect is Allow or Deny")
			}
			s.deny, effect = m.value.text == "Deny", true
		case "Action", "NotAction":
			s.notAction = m.name.text == "NotAction"
			err = s.parseActions(m)
		case "Resource", "NotResource":
			s.notResource = m.name.text == "NotResource"
			err = s.parseResources(m, variables)
		case "Condition":
			s.conditions, err = parseConditions(m.value, variables)
		case "Principal", "NotPrincipal":
			err = m.name.errorf("a policy of an access key has no %s: it is about whoever has the key", m.name.text)
		default:
			err = m.name.errorf("a statement has no element %s", m.name.text)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case !effect:
		return nil, n.errorf("the statement has no Effect")
	case s.actions == nil:
		return nil, n.errorf("the statement has neither Action nor NotAction")
	case s.resources == nil:
		return nil, n.errorf("the statement has neither Resource nor NotResource")
	}
	return s, nil
}

// texts is the strings of an element that is there once.
func texts(m member, already []pattern) ([]*node, error) {
	if already != nil {
		return nil, m.name.errorf("a statement has either %s or %s", strings.TrimPrefix(m.name.text, "Not"), "Not"+strings.TrimPrefix(m.name.text, "Not"))
	}
	all := m.value.list()
	for _, each := range all {
		if !each.quoted {
			return nil, each.errorf("%s is a string or a list of strings", m.name.text)
		}
	}
	if len(all) == 0 {
		return nil, m.value.errorf("%s is empty", m.name.text)
	}
	return all, nil
}

func (s *statement) parseActions(m member) error {
	all, err := texts(m, s.actions)
	if err != nil {
		return err
	}
	for _, each := range all {
		service, name, ok := strings.Cut(each.text, ":")
		if each.text != "*" && (!ok || service == "" || name == "" || strings.ContainsAny(each.text, " /{}") || strings.Contains(name, ":")) {
			return each.errorf("%q is not an action such as ds:ResetUserPassword", each.text)
		}
		p, err := parsePattern(each.text, true, false)
		if err != nil {
			return each.errorf("%w", err)
		}
		s.actions = append(s.actions, p)
		s.actionTexts = append(s.actionTexts, each.text)
	}
	return nil
}

func (s *statement) parseResources(m member, variables bool) error {
	all, err := texts(m, s.resources)
	if err != nil {
		return err
	}
	for _, each := range all {
		if each.text != "*" && (!strings.HasPrefix(each.text, "arn:") || strings.Count(each.text, ":") < arnParts-1 && !strings.HasSuffix(each.text, "*")) {
			return each.errorf("%q is neither * nor an ARN such as arn:aws:ds:us-east-1:123456789012:directory/d-1234567890", each.text)
		}
		p, err := parsePattern(each.text, true, variables)
		if err != nil {
			return each.errorf("%w", err)
		}
		s.resources = append(s.resources, p)
		s.resourceTexts = append(s.resourceTexts, each.text)
	}
	return nil
}

func parseConditions(n *node, variables bool) ([]condition, error) {
	if n.kind != '{' {
		return nil, n.errorf("Condition is a JSON object")
	}
	var all []condition
	for _, operator := range n.members {
		if operator.value.kind != '{' {
			return nil, operator.value.errorf("behind %s stand keys with their values", operator.name.text)
		}
		for _, k := range operator.value.members {
			c, err := parseCondition(operator.name, k.name, k.value, findKey, variables)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// outcome is what a statement makes of a request: why it does not apply; "" if it does.
func (s *statement) outcome(r *Request) (string, error) {
	matchesAction := slices.ContainsFunc(s.actions, func(p pattern) bool { return p.matches(r.Action, true) })
	switch {
	case matchesAction == s.notAction && s.notAction:
		return "its NotAction names the action: " + strings.Join(s.actionTexts, ", "), nil
	case matchesAction == s.notAction:
		return "its Action is another one: " + strings.Join(s.actionTexts, ", "), nil
	}
	matchesResource := false
	for _, p := range s.resources {
		expanded, resolved, err := p.expand(r.values)
		if err != nil {
			return "", err
		}
		if !resolved {
			return "a policy variable in its Resource has no value", nil
		}
		matchesResource = matchesResource || expanded.matchesARN(r.Resource)
	}
	switch {
	case matchesResource == s.notResource && s.notResource:
		return "its NotResource names the resource: " + strings.Join(s.resourceTexts, ", "), nil
	case matchesResource == s.notResource:
		return "its Resource is another one: " + strings.Join(s.resourceTexts, ", "), nil
	}
	for _, c := range s.conditions {
		held, err := c.holds(r.values)
		switch {
		case errors.Is(err, errUnresolved):
			return "a policy variable in the condition " + c.operator + " on " + c.key.name + " has no value", nil
		case err != nil:
			return "", err
		case !held:
			return "the condition " + c.operator + " on " + c.key.name + " is false", nil
		}
	}
	return "", nil
}
