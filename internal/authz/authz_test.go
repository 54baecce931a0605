package authz

import (
	"errors"
	"strings"
	"testing"
	"time"

	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

var (
	noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	anna = identity.Principal{Type: "IAMUser", Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/anna", ID: "AIDAANNA", UserName: "anna"}
	d1   = DirectoryARN("aws", "us-east-1", "123456789012", "d-1234567890")
)

// asked is a request of anna's about d1 with those values of condition keys.
func asked(action string, known map[string][]string) *Request {
	return &Request{Principal: anna, Action: action, Resource: d1, Time: noon, Values: func(key string) ([]string, error) {
		for name, values := range known {
			if strings.EqualFold(name, key) {
				return values, nil
			}
		}
		return nil, nil
	}}
}

func parse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse("test", []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func TestDecide(t *testing.T) {
	if want := "arn:aws:ds:us-east-1:123456789012:directory/d-1234567890"; d1 != want {
		t.Fatalf("DirectoryARN: got %s, want %s", d1, want)
	}
	if err := Decide(&Request{Principal: identity.Root("aws", "123456789012", "AKIAEXAMPLE"), Action: "ds:ResetUserPassword", Resource: d1}); err != nil {
		t.Errorf("the root was denied: %v", err)
	}
	if err := Decide(&Request{Action: "ds:ResetUserPassword", Resource: d1}); err == nil {
		t.Error("nobody at all was allowed")
	}
	allow := parse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ds:Reset*","Resource":"*"}}`)
	deny := parse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"ds:*","Resource":"*"}}`)
	for _, test := range []struct {
		policies []*Policy
		resource string
		because  string // "" is allowed
	}{
		{nil, d1, "because no identity-based policy allows the ds:ResetUserPassword action"},
		{nil, "", "because no identity-based policy allows the ds:ResetUserPassword action"},
		{[]*Policy{allow}, d1, ""},
		{[]*Policy{allow}, "", ""},
		{[]*Policy{allow, deny}, d1, "with an explicit deny in an identity-based policy"},
		{[]*Policy{deny, allow}, Any, "with an explicit deny in an identity-based policy"},
	} {
		r := asked("ds:ResetUserPassword", nil)
		r.Resource, r.Grant.Policies = test.resource, test.policies
		err := Decide(r)
		if test.because == "" {
			if err != nil {
				t.Errorf("%q: %v", test.resource, err)
			}
			continue
		}
		printed := test.resource
		if printed == "" {
			printed = "*"
		}
		want := "User: arn:aws:iam::123456789012:user/anna is not authorized to perform: ds:ResetUserPassword on resource: " + printed + " " + test.because
		var denied *fault.Error
		if !errors.As(err, &denied) || denied.Code != fault.AccessDenied || denied.Message != want {
			t.Errorf("got %v, want %s %q", err, fault.AccessDenied, want)
		}
	}
}

func TestWhatCannotBeFoundOutDecidesNothing(t *testing.T) {
	broken := errors.New("the directory does not answer")
	r := asked("ds:ResetUserPassword", nil)
	r.Values = func(string) ([]string, error) { return nil, broken }
	for _, text := range []string{
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"latchkey:UserName":"jane"}}}}`,
		`{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"latchkey:UserName":"jane"}}}]}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:ds:*:*:directory/${aws:ResourceTag/id}"}}`,
	} {
		r.Grant.Policies = []*Policy{parse(t, text)}
		if err := Decide(r); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	// What no policy asks for need not be found out.
	r.Grant.Policies = []*Policy{parse(t, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)}
	if err := Decide(r); err != nil {
		t.Error(err)
	}
}

func TestSteps(t *testing.T) {
	p := parse(t, `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Berlin", "Effect": "Allow", "Action": "ds:ResetUserPassword", "Resource": "*",
     "Condition": {"ForAnyValue:StringEquals": {"latchkey:UserOU": "OU=Berlin,DC=corp"}}},
    {"Sid": "Others", "Effect": "Allow", "Action": ["ds:DescribeDirectories", "ds:List*"], "Resource": "*"},
    {"Effect": "Deny", "NotAction": "ds:Reset*", "Resource": "*"},
    {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:ds:*:*:directory/*"},
    {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:ds:*:*:directory/d-0000000000"},
    {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:ds:*:*:directory/${aws:ResourceTag/id}"},
    {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:username": "${aws:PrincipalTag/name}"}}}
  ]
}`)
	r := asked("ds:ResetUserPassword", map[string][]string{"latchkey:UserOU": {"OU=Paris,DC=corp", "DC=corp"}})
	r.Grant.Policies = []*Policy{p}
	effect, steps, err := Evaluate(r)
	if err != nil || effect != ImplicitDeny {
		t.Fatalf("got %s, %v", effect, err)
	}
	want := []Step{
		{"test", "Berlin", 4, false, "the condition ForAnyValue:StringEquals on latchkey:UserOU is false"},
		{"test", "Others", 6, false, "its Action is another one: ds:DescribeDirectories, ds:List*"},
		{"test", "", 7, true, "its NotAction names the action: ds:Reset*"},
		{"test", "", 8, true, "its NotResource names the resource: arn:aws:ds:*:*:directory/*"},
		{"test", "", 9, true, "its Resource is another one: arn:aws:ds:*:*:directory/d-0000000000"},
		{"test", "", 10, true, "a policy variable in its Resource has no value"},
		{"test", "", 11, true, "a policy variable in the condition StringNotEquals on aws:username has no value"},
	}
	if len(steps) != len(want) {
		t.Fatalf("got %d steps", len(steps))
	}
	for i, step := range steps {
		if step != want[i] {
			t.Errorf("got %+v, want %+v", step, want[i])
		}
	}
	r = asked("ds:ResetUserPassword", map[string][]string{"latchkey:UserOU": {"OU=Berlin,DC=corp", "DC=corp"}})
	r.Grant.Policies = []*Policy{p}
	effect, steps, err = Evaluate(r)
	if err != nil || effect != Allow || steps[0].Why != "" {
		t.Errorf("got %s, %+v, %v", effect, steps, err)
	}
}

func TestParseSaysWhere(t *testing.T) {
	statement := func(inside string) string { return "{\"Statement\": [\n {" + inside + "}\n]}" }
	condition := func(inside string) string {
		return statement(`"Effect":"Allow","Action":"*","Resource":"*",` + "\n  \"Condition\": {" + inside + "}")
	}
	for text, want := range map[string]string{
		"":                         "line 1, column 1: the policy ends too early",
		"[]":                       "line 1, column 1: a policy is a JSON object",
		"{":                        "line 1, column 2: this is not JSON: ",
		`{"Statement"}`:            "line 1, column 13: this is not JSON: ",
		"\xff":                     "the policy is not UTF-8",
		`{} {}`:                    "line 1, column 4: there is something behind the policy",
		"{\"Rules\": 1}":           "line 1, column 2: a policy has no element Rules",
		`{"Version":"2020-01-01"}`: "line 1, column 12: Version is 2012-10-17 or 2008-10-17",
		`{"Id":1}`:                 "line 1, column 7: Id is a string",
		`{"Statement":[]}`:         "line 1, column 14: Statement is empty",
		`{"Statement":["x"]}`:      "line 1, column 15: a statement is a JSON object",
		`{"Statement":"x"}`:        "line 1, column 1: the policy has no Statement",
		`{"Id":"a","id":"b"}`:      "line 1, column 11: id is there twice",
		statement(`"Effect":"Allow","Effect":"Deny"`):                 "line 2, column 20: Effect is there twice",
		statement(`"Action":"*","Resource":"*"`):                      "line 2, column 2: the statement has no Effect",
		statement(`"Effect":"Allow","Resource":"*"`):                  "line 2, column 2: the statement has neither Action nor NotAction",
		statement(`"Effect":"Allow","Action":"*"`):                    "line 2, column 2: the statement has neither Resource nor NotResource",
		statement(`"Effect":"allow"`):                                 "line 2, column 12: Effect is Allow or Deny",
		statement(`"Sid":"with space"`):                               "line 2, column 9: Sid has letters and digits only",
		statement(`"Principal":"*"`):                                  "line 2, column 3: a policy of an access key has no Principal: it is about whoever has the key",
		statement(`"Actions":"*"`):                                    "line 2, column 3: a statement has no element Actions",
		statement(`"Action":"*","NotAction":"*"`):                     "line 2, column 16: a statement has either Action or NotAction",
		statement(`"Action":[]`):                                      "line 2, column 12: Action is empty",
		statement(`"Action":[1]`):                                     "line 2, column 13: Action is a string or a list of strings",
		statement(`"Action":["ds:Reset*", "reset"]`):                  "line 2, column 26: \"reset\" is not an action such as ds:ResetUserPassword",
		statement(`"Resource":"d-1234567890"`):                        "line 2, column 14: \"d-1234567890\" is neither * nor an ARN such as arn:aws:ds:us-east-1:123456789012:directory/d-1234567890",
		statement(`"Condition":"x"`):                                  "line 2, column 15: Condition is a JSON object",
		condition(`"StringEquals": "x"`):                              "line 3, column 33: behind StringEquals stand keys with their values",
		condition(`"StringIs": {"aws:username": "x"}`):                "line 3, column 17: there is no condition operator StringIs",
		condition(`"StringLike": {"aws:user": "x"}`):                  "line 3, column 32: there is no condition key aws:user",
		condition(`"StringLike": {"aws:username": []}`):               "line 3, column 48: aws:username has no value",
		condition(`"ForSome:StringLike": {"aws:username": "x"}`):      "line 3, column 17: ForSome is neither ForAllValues nor ForAnyValue",
		condition(`"NullIfExists": {"aws:username": "true"}`):         "line 3, column 17: Null stands alone",
		condition(`"Null": {"aws:username": "perhaps"}`):              "line 3, column 42: Null takes true or false",
		condition(`"IpAddress": {"aws:username": "10.0.0.0/8"}`):      "line 3, column 31: IpAddress compares no string, which aws:username is",
		condition(`"IpAddress": {"aws:SourceIp": "10.0.0.0/99"}`):     `line 3, column 47: "10.0.0.0/99" is neither an address nor a CIDR block`,
		condition(`"DateLessThan": {"aws:CurrentTime": "tomorrow"}`):  `line 3, column 53: "tomorrow" is not a date such as 2026-01-31T12:00:00Z`,
		condition(`"NumericEquals": {"aws:EpochTime": "many"}`):       `line 3, column 52: "many" is not a number`,
		condition(`"Bool": {"aws:SecureTransport": "yes"}`):           `line 3, column 49: "yes" is neither true nor false`,
		condition(`"ArnLike": {"aws:PrincipalArn": "anna"}`):          `line 3, column 49: "anna" is not an ARN: it has six parts with : between them`,
		condition(`"StringEquals": {"aws:username": {"a": 1}}`):       "line 3, column 50: a value of a condition is a string",
		condition(strings.Repeat(`"x": {"y": [[[[[`, 1)):              "line 3, column 31: there are more than 8 levels",
		"{\"Statement\": \"" + strings.Repeat("x", maxPolicy) + "\"}": "the policy has more than 6144 characters",
		"{\"Statement\": " + strings.Repeat(" ", 8*maxPolicy) + "[]}": "the policy has more than 6144 characters",
		versioned(`"arn:aws:ds:*:*:directory/${aws:user}"`):           "line 1, column 82: there is no condition key aws:user",
		versioned(`"arn:aws:ds:*:*:directory/${aws:username"`):        "line 1, column 82: a policy variable has no }",
		versioned(`"arn:aws:ds:*:*:directory/${aws:username, anna}"`): "line 1, column 82: the default of a policy variable stands in single quotes",
		versioned(`"arn:aws:ds:*:*:directory/${aws:TagKeys}"`):        "line 1, column 82: aws:TagKeys has several values, and can't be a variable",
		`{"Statement":[{"Sid":"A","Effect":"Deny","Action":"*","Resource":"*"},{"Sid":"A","Effect":"Deny","Action":"*","Resource":"*"}]}`: "line 1, column 71: Sid A is there twice",
	} {
		if _, err := Parse("test", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
}

func versioned(resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":` + "  " + resource + `}]}`
}

// TestTokenIssueTime: sessions that were begun before a moment can be ended, as on AWS; long-lived keys have no such time.
func TestTokenIssueTime(t *testing.T) {
	policy := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-01-31T12:00:00Z"}}}]}`)
	moment := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		session *identity.Session
		want    Effect
	}{
		{&identity.Session{Created: moment.Add(-time.Second)}, ExplicitDeny},
		{&identity.Session{Created: moment}, Allow},
		{nil, Allow},
	} {
		r := asked("ds:DescribeDirectories", nil)
		r.Principal.Session, r.Resource, r.Grant = c.session, Any, Grant{Policies: []*Policy{policy}}
		if effect, _, err := Evaluate(r); err != nil || effect != c.want {
			t.Errorf("%+v: %s, %v", c.session, effect, err)
		}
	}
}
