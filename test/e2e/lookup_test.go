package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/config"
)

// lookedUp is what aws cloudtrail lookup-events answers.
type lookedUp struct {
	Events []struct {
		EventID         string `json:"EventId"`
		EventName       string
		ReadOnly        string
		AccessKeyID     string `json:"AccessKeyId"`
		EventTime       string
		EventSource     string
		Username        string
		Resources       []struct{ ResourceType, ResourceName string }
		CloudTrailEvent string
	}
	NextToken string
}

// lookUp is aws cloudtrail lookup-events; refusal is what it says when it fails.
func lookUp(t *testing.T, s *server, environ []string, args ...string) (out lookedUp, refusal string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{"--endpoint-url", s.API, "--region", home, "--output", "json", "cloudtrail", "lookup-events"}, args...)...)
	command.Env = environment(t, s, environ...)
	var failure strings.Builder
	command.Stderr = &failure
	said, err := command.Output()
	if err != nil {
		return out, failure.String()
	}
	decode(t, said, &out)
	return out, ""
}

func (f lookedUp) names() (all []string) {
	for _, e := range f.Events {
		all = append(all, e.EventName)
	}
	return all
}

// TestLookupEvents: the AWS CLI finds what was called, by each attribute, newest first, in pages, across a restart.
func TestLookupEvents(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	id, secret := accessKey(t, s, "auditor", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["cloudtrail:LookupEvents","ds:DescribeDirectories"],"Resource":"*"}}`)
	auditor := []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret}
	none, noSecret := accessKey(t, s, "other", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ds:*","Resource":"*"}}`)
	other := []string{"AWS_ACCESS_KEY_ID=" + none, "AWS_SECRET_ACCESS_KEY=" + noSecret}

	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	call(t, home, "ResetUserPassword", reset(labID, "nobody", nextPassword)).refused(t, "UserDoesNotExistException", "")
	call(t, westRegion, "DescribeDirectories", nil).accepted(t)
	tag := func(i int) {
		call(t, home, "AddTagsToResource", map[string]any{"ResourceId": corpID, "Tags": []map[string]any{{"Key": "n", "Value": fmt.Sprint(i)}}}).accepted(t)
	}
	for i := range 7 {
		tag(i)
	}

	got, refusal := lookUp(t, s, auditor, "--lookup-attributes", "AttributeKey=EventName,AttributeValue=ResetUserPassword")
	if refusal != "" || len(got.Events) != 2 {
		t.Fatalf("%s %+v", refusal, got)
	}
	e, failed := got.Events[1], got.Events[0]
	var whole, refused record
	decode(t, []byte(e.CloudTrailEvent), &whole)
	decode(t, []byte(failed.CloudTrailEvent), &refused)
	root, _ := s.root()
	if at, err := time.Parse(time.RFC3339, e.EventTime); err != nil || time.Since(at) > time.Hour || time.Until(at) > time.Minute {
		t.Errorf("%s, %v", e.EventTime, err)
	}
	if e.ReadOnly != "false" || e.AccessKeyID != root || e.EventSource != "ds.amazonaws.com" || e.Username != "root" || e.EventID != whole["eventID"] ||
		len(e.Resources) != 1 || e.Resources[0].ResourceName != corpID || e.Resources[0].ResourceType != "AWS::DirectoryService::Directory" {
		t.Errorf("%+v", e)
	}
	if whole["errorCode"] != nil || whole["integrity"] != nil || refused["errorCode"] != "UserDoesNotExistException" || strings.Contains(e.CloudTrailEvent, nextPassword) {
		t.Errorf("%v\n%v", whole, refused)
	}

	await(t, "the record of the lookup itself", func() bool {
		got, _ := lookUp(t, s, auditor, "--lookup-attributes", "AttributeKey=EventSource,AttributeValue=cloudtrail.amazonaws.com")
		return len(got.Events) > 0 && got.Events[0].EventName == "LookupEvents" && got.Events[0].Username == "auditor" && got.Events[0].ReadOnly == "true"
	})
	for attribute, want := range map[string]string{
		"EventId,AttributeValue=" + e.EventID:                               "ResetUserPassword",
		"ResourceName,AttributeValue=" + labID:                              "ResetUserPassword",
		"AccessKeyId,AttributeValue=" + id:                                  "LookupEvents",
		"Username,AttributeValue=auditor":                                   "LookupEvents",
		"ReadOnly,AttributeValue=true":                                      "LookupEvents",
		"ResourceType,AttributeValue=AWS::DirectoryService::Directory":      "AddTagsToResource",
		"EventSource,AttributeValue=latchkey":                               "CreateAccessKey",
		"ReadOnly,AttributeValue=false":                                     "AddTagsToResource",
		"EventName,AttributeValue=NoSuchOperation":                          "",
		"ResourceName,AttributeValue=" + strings.ToUpper("d-0000000000"):    "",
		"EventId,AttributeValue=" + strings.Replace(e.EventID, "-", "_", 1): "",
	} {
		got, refusal := lookUp(t, s, auditor, "--lookup-attributes", "AttributeKey="+attribute)
		names := append(got.names(), "")
		if refusal != "" || names[0] != want {
			t.Errorf("%s: %s%q, want %s", attribute, refusal, names, want)
		}
	}
	// Another Region's calls are another Region's.
	if got, refusal := lookUp(t, s, auditor, "--lookup-attributes", "AttributeKey=EventName,AttributeValue=DescribeDirectories"); refusal != "" || len(got.Events) != 0 {
		t.Errorf("%s%q", refusal, got.names())
	}
	hour := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for want, args := range map[int][]string{
		7: {"--start-time", hour(-time.Hour), "--end-time", hour(time.Hour)}, 0: {"--start-time", hour(time.Hour)},
	} {
		if got, refusal := lookUp(t, s, auditor, append(args, "--lookup-attributes", "AttributeKey=EventName,AttributeValue=AddTagsToResource")...); refusal != "" || len(got.Events) != want {
			t.Errorf("%v: %s%q", args, refusal, got.names())
		}
	}

	// Pages: the CLI's own, and one that a server gives after it was started again.
	for i := 7; i < 60; i++ {
		call(t, home, "ResetUserPassword", reset(corpID, strings.Repeat("x", 60), nextPassword)).refused(t, "UserDoesNotExistException", "")
		tag(i)
	}
	tags := []string{"--lookup-attributes", "AttributeKey=EventName,AttributeValue=AddTagsToResource"}
	first, refusal := lookUp(t, s, auditor, append(tags, "--max-results", "4")...)
	if refusal != "" || len(first.Events) != 4 || first.NextToken == "" {
		t.Fatalf("%s%+v", refusal, first)
	}
	s.stop()
	again := start(t, "", func(c *config.Config) { c.Data = s.data })
	second, refusal := lookUp(t, again, auditor, append(tags, "--max-results", "50", "--next-token", first.NextToken)...)
	if refusal != "" || len(second.Events) != 50 {
		t.Fatalf("%s%d events", refusal, len(second.Events))
	}
	all, refusal := lookUp(t, again, auditor, append(tags, "--page-size", "7")...)
	if refusal != "" || len(all.Events) != 60 {
		t.Fatalf("%s%d events", refusal, len(all.Events))
	}
	var numbers []string
	for i, e := range all.Events {
		var r struct {
			RequestParameters struct{ Tags []struct{ Value string } }
		}
		decode(t, []byte(e.CloudTrailEvent), &r)
		numbers = append(numbers, r.RequestParameters.Tags[0].Value)
		if want := slices.Concat(first.Events, second.Events); i < len(want) && want[i].EventID != e.EventID {
			t.Errorf("event %d differs by the pages", i)
		}
	}
	for i, number := range numbers {
		if number != fmt.Sprint(59-i) {
			t.Fatalf("not newest first: %q", numbers)
		}
	}

	for _, c := range []struct {
		want string
		who  []string
		args []string
	}{
		{"InvalidMaxResultsException", auditor, []string{"--max-results", "51"}},
		{"InvalidTimeRangeException", auditor, []string{"--start-time", hour(0), "--end-time", hour(-time.Hour)}},
		{"InvalidNextTokenException", auditor, []string{"--next-token", "forged"}},
		{"InvalidNextTokenException", auditor, []string{"--next-token", first.NextToken}},
		{"InvalidLookupAttributesException", auditor, []string{"--lookup-attributes", "AttributeKey=EventName,AttributeValue=a", "AttributeKey=ReadOnly,AttributeValue=true"}},
		{"InvalidLookupAttributesException", auditor, []string{"--lookup-attributes", "AttributeKey=ReadOnly,AttributeValue=maybe"}},
		{"ValidationException", auditor, []string{"--lookup-attributes", "AttributeKey=Mood,AttributeValue=a"}},
		{"(AccessDeniedException) when calling the LookupEvents operation (reached max retries: 0): User: arn:aws:iam::123456789012:user/other is not authorized to perform: cloudtrail:LookupEvents", other, nil},
		{"(InvalidSignatureException)", []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + noSecret}, nil},
	} {
		if _, refusal := lookUp(t, again, c.who, c.args...); !strings.Contains(refusal, c.want) {
			t.Errorf("%v: %q, want %s", c.args, refusal, c.want)
		}
	}
	if got, refusal := lookUp(t, again, auditor, "--event-category", "insight"); refusal != "" || len(got.Events) != 0 {
		t.Errorf("%s%q", refusal, got.names())
	}
}
