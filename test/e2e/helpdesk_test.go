package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
)

// accessKey makes an access key with a policy, by Latchkey's own API.
func accessKey(t *testing.T, s *server, user, policy string, tags ...string) (id, secret string) {
	t.Helper()
	in := map[string]any{"UserName": user, "Policies": []any{map[string]any{"PolicyName": "test", "PolicyDocument": policy}}}
	if len(tags) > 0 {
		in["Tags"] = []any{map[string]any{"Key": tags[0], "Value": tags[1]}}
	}
	var made struct {
		AccessKey       struct{ AccessKeyId string }
		SecretAccessKey string
	}
	answered := own("CreateAccessKey", string(encode(t, in))).send(t, s)
	decode(t, []byte(answered.body), &made)
	if made.SecretAccessKey == "" {
		t.Fatalf("no key: %v", answered)
	}
	return made.AccessKey.AccessKeyId, made.SecretAccessKey
}

// TestHelpDesk does what docs/helpdesk.md says, by the AWS CLI: a key that resets the users of one OU, and nothing else.
func TestHelpDesk(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/helpdesk.md")
	if err != nil {
		t.Fatal(err)
	}
	policy := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(page)
	seed, err := os.ReadFile("../../examples/corp.yaml")
	if err != nil || policy == nil {
		t.Fatal("no policy, or no seed", err)
	}
	s := start(t, string(seed))
	id, secret := accessKey(t, s, "helpdesk-berlin", string(policy[1]))
	helpDesk := func(args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{"--endpoint-url", s.API, "--region", home, "ds"}, args...)...)
		command.Env = environment(t, s, "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret)
		said, err := command.CombinedOutput()
		return string(said), err
	}
	reset := func(user string) (string, error) {
		return helpDesk("reset-user-password", "--directory-id", corpID, "--user-name", user, "--new-password", nextPassword)
	}
	for _, user := range []string{"jane", "JANE"} {
		if said, err := reset(user); err != nil {
			t.Errorf("%s is in Berlin: %v, %s", user, err, said)
		}
	}
	denied := "(AccessDeniedException) when calling the ResetUserPassword operation (reached max retries: 0): User: arn:aws:iam::123456789012:user/helpdesk-berlin is not authorized to perform: " +
		"ds:ResetUserPassword on resource: arn:aws:ds:us-east-1:123456789012:directory/d-1234567890 because no identity-based policy allows the ds:ResetUserPassword action"
	for _, user := range []string{"joe", "nobody", "outsider"} {
		if said, err := reset(user); err == nil || !strings.Contains(said, denied) {
			t.Errorf("%s: %v, %s", user, err, said)
		}
	}
	explicit := strings.Replace(denied, "because no identity-based policy allows the ds:ResetUserPassword action", "with an explicit deny in an identity-based policy", 1)
	if said, err := reset("Admin"); err == nil || !strings.Contains(said, explicit) {
		t.Errorf("Admin: %v, %s", err, said)
	}
	if said, err := helpDesk("describe-directories"); err == nil || !strings.Contains(said, "AccessDeniedException") {
		t.Errorf("describe-directories: %v, %s", err, said)
	}
	// The record of a write is there when it is answered, and those of all calls before it.
	own("UpdateAccessKey", `{"AccessKeyId":"`+id+`","Status":"Inactive"}`).send(t, s)
	last := auditLog(t, s)
	refusals := 0
	for _, r := range last {
		if who, _ := r["userIdentity"].(map[string]any); who["type"] == "IAMUser" && r["errorCode"] == "AccessDenied" && who["userName"] == "helpdesk-berlin" && who["accessKeyId"] == id {
			refusals++
		}
	}
	if refusals != 5 {
		t.Errorf("the audit trail has %d refusals of the key, want 5", refusals)
	}
	if strings.Contains(fmt.Sprint(last), secret) || strings.Contains(s.log.String(), secret) {
		t.Error("the secret is in the audit trail or the log")
	}
	if said, err := reset("jane"); err == nil || !strings.Contains(said, "(UnrecognizedClientException)") {
		t.Errorf("with a disabled key: %v, %s", err, said)
	}
}

// TestConditionKeys: each condition key has the request's value, as seen through the Go SDK.
func TestConditionKeys(t *testing.T) {
	t.Parallel()
	s := world(t)
	root := goSDK(s, home)
	goCall(t, root, "AddTagsToResource", map[string]any{"ResourceId": corpID, "Tags": []any{map[string]any{"Key": "team", "Value": "red"}}}).accepted(t)
	tag := func(key, value string) map[string]any { return map[string]any{"Key": key, "Value": value} }
	trusts := map[string]any{"DirectoryId": corpID}
	for _, c := range []struct {
		condition string
		operation string
		input     map[string]any
		allowed   bool
	}{
		{`"IpAddress":{"aws:SourceIp":"127.0.0.1"}`, "DescribeTrusts", trusts, true},
		{`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, "DescribeTrusts", trusts, false},
		{`"Bool":{"aws:SecureTransport":"false"}`, "DescribeTrusts", trusts, true},
		{`"Bool":{"aws:SecureTransport":"true"}`, "DescribeTrusts", trusts, false},
		{`"StringEquals":{"aws:RequestedRegion":"us-east-1"}`, "DescribeTrusts", trusts, true},
		{`"StringLike":{"aws:UserAgent":"aws-sdk-go-v2/*"}`, "DescribeTrusts", trusts, true},
		{`"StringEquals":{"aws:ResourceTag/team":"red"}`, "DescribeTrusts", trusts, true},
		{`"StringEquals":{"aws:ResourceTag/team":"blue"}`, "DescribeTrusts", trusts, false},
		{`"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}`, "DescribeTrusts", trusts, true},
		{`"StringEquals":{"aws:PrincipalTag/team":"blue"}`, "DescribeTrusts", trusts, false},
		{`"StringEquals":{"aws:username":"tester","aws:PrincipalAccount":"123456789012","aws:PrincipalType":"User"}`, "DescribeTrusts", trusts, true},
		{`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/tes*"}`, "DescribeTrusts", trusts, true},
		{`"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}`, "DescribeTrusts", trusts, true},
		{`"NumericLessThan":{"aws:EpochTime":"1600000000"}`, "DescribeTrusts", trusts, false},
		{`"Null":{"aws:ResourceTag/team":"true"}`, "DescribeDirectories", map[string]any{}, true},
		{`"StringEquals":{"aws:RequestTag/cost":"7"},"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}`, "AddTagsToResource", map[string]any{"ResourceId": corpID, "Tags": []any{tag("cost", "7")}}, true},
		{`"StringEquals":{"aws:RequestTag/cost":"7"}`, "AddTagsToResource", map[string]any{"ResourceId": corpID, "Tags": []any{tag("cost", "8")}}, false},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}`, "AddTagsToResource", map[string]any{"ResourceId": corpID, "Tags": []any{tag("cost", "7"), tag("other", "1")}}, false},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}`, "RemoveTagsFromResource", map[string]any{"ResourceId": corpID, "TagKeys": []any{"cost"}}, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}`, "RemoveTagsFromResource", map[string]any{"ResourceId": corpID, "TagKeys": []any{"team"}}, false},
		{`"StringEquals":{"latchkey:UserName":"jane"}`, "ResetUserPassword", reset(corpID, "JANE", nextPassword), true},
		{`"StringEquals":{"latchkey:UserName":"jane"}`, "ResetUserPassword", reset(corpID, "nobody", nextPassword), false},
		{`"StringNotEquals":{"latchkey:UserName":"jane"}`, "ResetUserPassword", reset(corpID, "jane", nextPassword), false},
		{`"ForAnyValue:StringLike":{"latchkey:UserOU":"OU=CORP,*"}`, "ResetUserPassword", reset(corpID, "jane", nextPassword), true},
		{`"ForAnyValue:StringEquals":{"latchkey:UserGroups":"Domain Users"}`, "ResetUserPassword", reset(corpID, "jane", nextPassword), true},
		{`"ForAnyValue:StringEquals":{"latchkey:UserGroups":"Domain Admins"}`, "ResetUserPassword", reset(labID, "nested", nextPassword), true},
		{`"ForAllValues:StringNotEquals":{"latchkey:UserGroups":"Domain Admins"}`, "ResetUserPassword", reset(labID, "nested", nextPassword), false},
		{`"StringEquals":{"latchkey:UserName":"jane"}`, "DescribeTrusts", trusts, false},
	} {
		id, secret := accessKey(t, s, "tester", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+c.condition+`}}}`, "team", "red")
		client := directoryservice.New(directoryservice.Options{
			Region: home, BaseEndpoint: &s.API, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		})
		if got := goCall(t, client, c.operation, c.input); (got.Exception == "AccessDeniedException") == c.allowed {
			t.Errorf("%s: %s: %v", c.condition, c.operation, got)
		}
		if c.operation == "AddTagsToResource" {
			goCall(t, root, "RemoveTagsFromResource", map[string]any{"ResourceId": corpID, "TagKeys": []any{"cost", "other"}})
		}
	}
}
