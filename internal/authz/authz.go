// Package authz decides whether a principal may do an action on a resource: it evaluates IAM policies as AWS documents it. It is
// pure: what it does not find in its arguments it asks the request for.
package authz

import (
	"strconv"
	"strings"
	"time"

	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

// Any is the resource of an action that is about no directory in particular.
const Any = "*"

// Grant is what a principal has that decides about its requests.
type Grant struct {
	Policies []*Policy
	// Session is the session policies: what none of them allows is denied, whatever Policies say. Nil is no limit.
	Session []*Policy
	Tags    map[string]string
}

// Request is what is to be decided.
type Request struct {
	Principal identity.Principal
	Grant     Grant
	Action    string // ds:DescribeDirectories
	Resource  string // an ARN, or Any
	Time      time.Time
	// Values is what is known besides, by the names of condition keys in lower case; none for a key that the request does not
	// have. Its error ends the evaluation: nothing is decided by what could not be found out. It is asked only for what a
	// policy needs to know.
	Values func(key string) ([]string, error)
}

// values is the values of a condition key.
func (r *Request) values(name string) ([]string, error) {
	p := r.Principal
	switch name {
	case "aws:currenttime":
		return []string{r.Time.UTC().Format(time.RFC3339)}, nil
	case "aws:epochtime":
		return []string{strconv.FormatInt(r.Time.Unix(), 10)}, nil
	case "aws:principalaccount":
		return one(p.Account), nil
	case "aws:principalarn":
		if p.RoleARN != "" {
			return one(p.RoleARN), nil
		}
		return one(p.ARN), nil
	case "aws:principaltype":
		return one(principalType[p.Type]), nil
	case "aws:tokenissuetime":
		if p.Session == nil {
			return nil, nil
		}
		return []string{p.Session.Created.UTC().Format(time.RFC3339)}, nil
	case "aws:userid":
		return one(p.ID), nil
	case "aws:username":
		return one(p.UserName), nil
	}
	if tag, ok := strings.CutPrefix(name, "aws:principaltag/"); ok {
		for name, value := range r.Grant.Tags {
			if strings.EqualFold(name, tag) {
				return []string{value}, nil
			}
		}
		return nil, nil
	}
	if r.Values == nil {
		return nil, nil
	}
	return r.Values(name)
}

// principalType is aws:PrincipalType by CloudTrail's userIdentity.type.
var principalType = map[string]string{"Root": "Account", "IAMUser": "User", "AssumedRole": "AssumedRole"}

func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// Effect is how a request is decided (AWS, "Policy evaluation logic").
type Effect string

// The effects. What no statement allows is denied.
const (
	Allow        Effect = "Allow"
	ExplicitDeny Effect = "explicit Deny"
	ImplicitDeny Effect = "implicit Deny"
)

// Step is what one statement made of a request.
type Step struct {
	Policy string
	Sid    string
	Line   int  // where the statement begins
	Deny   bool // its Effect
	// Why is why the statement does not apply; "" if it does.
	Why string
}

// Evaluate decides by the policies alone. A Deny that applies wins over every Allow. Steps are all statements, in their order.
func Evaluate(r *Request) (Effect, []Step, error) {
	effect, steps := ImplicitDeny, []Step(nil)
	for _, policy := range r.Grant.Policies {
		for _, s := range policy.statements {
			why, err := s.outcome(r)
			if err != nil {
				return ImplicitDeny, steps, err
			}
			steps = append(steps, Step{policy.Name, s.sid, s.line, s.deny, why})
			switch {
			case why != "":
			case s.deny:
				effect = ExplicitDeny
			case effect == ImplicitDeny:
				effect = Allow
			}
		}
	}
	return effect, steps, nil
}

// Decide is nil when the principal of a request may do what it asks for, and AWS's AccessDeniedException otherwise
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html). The root of an account may do everything.
// Where that could not be found out it is the error why.
func Decide(r *Request) error {
	if r.Principal.Type == "Root" {
		return nil
	}
	if r.Resource == "" {
		r.Resource = Any
	}
	effect, _, err := Evaluate(r)
	because := "because no identity-based policy allows the " + r.Action + " action"
	switch {
	case err != nil:
		return err
	case effect == ExplicitDeny:
		because = "with an explicit deny in an identity-based policy"
	case effect == Allow:
		if because, err = narrowed(r); err != nil || because == "" {
			return err
		}
	}
	denied := fault.Newf(fault.AccessDenied, "User: %s is not authorized to perform: %s on resource: %s %s", r.Principal.ARN, r.Action, r.Resource, because)
	denied.Reason = "IAM_AUTH" // shown where the service has reasons
	return denied
}

// narrowed is why the session policies deny a request that the others allow; "" if they don't.
func narrowed(r *Request) (string, error) {
	if r.Grant.Session == nil {
		return "", nil
	}
	session := *r
	session.Grant.Policies = r.Grant.Session
	switch effect, _, err := Evaluate(&session); {
	case err != nil:
		return "", err
	case effect == ExplicitDeny:
		return "with an explicit deny in a session policy", nil
	case effect == ImplicitDeny:
		return "because no session policy allows the " + r.Action + " action", nil
	}
	return "", nil
}

// DirectoryARN names a directory, for both the ds and the ds-data actions
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsdirectoryservice.html).
func DirectoryARN(partition, region, account, directoryID string) string {
	return strings.Join([]string{"arn", partition, "ds", region, account, "directory/" + directoryID}, ":")
}
