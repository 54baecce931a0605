package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"

	"latchkey/internal/config"
)

// rolesFile is a file of a role that ci may assume and that may describe and reset, and of two that a session of it may become.
func rolesFile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"reader.json": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ds:Describe*","ds:ResetUserPassword"],"Resource":"*"},
			{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"arn:aws:iam::123456789012:role/owner"}]}`,
		"roles.yaml": "roles:\n  - name: reader\n    trusted: [ci]\n    maxSessionSeconds: 7200\n    policies: [reader.json]\n" +
			"  - name: auditor\n    trusted: [role/reader]\n    tags: {team: audit}\n    maxSessionSeconds: 7200\n    policies: [auditor.json]\n" +
			"  - name: owner\n    trusted: [role/reader]\n    policies: [auditor.json]\n",
		"auditor.json": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ds:ListTagsForResource","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"audit"}}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "roles.yaml")
}

const readerARN = "arn:aws:iam::123456789012:role/reader"

// TestSTS goes through the life of temporary credentials with the AWS CLI.
func TestSTS(t *testing.T) {
	t.Parallel()
	roles := rolesFile(t)
	seed, err := os.ReadFile("../../examples/corp.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, string(seed), func(c *config.Config) { c.Roles = roles })
	const nothing = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ds:DescribeTrusts","Resource":"*"}}`
	id, secret := accessKey(t, s, "ci", nothing)
	strangerID, strangerSecret := accessKey(t, s, "stranger", nothing)
	deniedID, deniedSecret := accessKey(t, s, "ci", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"`+readerARN+`"}}`)

	aws := func(variables []string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{"--endpoint-url", s.API, "--region", home, "--output", "json"}, args...)...)
		command.Env = environment(t, s, append([]string{"AWS_ENDPOINT_URL=" + s.API}, variables...)...)
		said, err := command.CombinedOutput()
		return string(said), err
	}
	key := func(id, secret, token string) []string {
		variables := []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret}
		if token != "" {
			variables = append(variables, "AWS_SESSION_TOKEN="+token)
		}
		return variables
	}
	type answer struct {
		Arn, Account, UserId string
		Credentials          struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		AssumedRoleUser      struct{ Arn, AssumedRoleId string }
	}
	done := func(variables []string, args ...string) (out answer) {
		t.Helper()
		said, err := aws(variables, args...)
		if err != nil {
			t.Fatalf("%v: %v, %s", args, err, said)
		}
		decode(t, []byte(said), &out)
		return out
	}
	refused := func(variables []string, want string, args ...string) {
		t.Helper()
		if said, err := aws(variables, args...); err == nil || !strings.Contains(said, want) {
			t.Errorf("%v: %v, %s; want %s", args, err, said, want)
		}
	}
	ci := key(id, secret, "")
	assume := func(more ...string) []string {
		return append([]string{"sts", "assume-role", "--role-arn", readerARN, "--role-session-name", "build-7"}, more...)
	}

	if who := done(ci, "sts", "get-caller-identity"); who.Arn != "arn:aws:iam::123456789012:user/ci" || who.Account != "123456789012" {
		t.Errorf("the caller is %+v", who)
	}

	// A session of the user may do what the user may.
	own := done(ci, "sts", "get-session-token").Credentials
	user := key(own.AccessKeyId, own.SecretAccessKey, own.SessionToken)
	if who := done(user, "sts", "get-caller-identity"); who.Arn != "arn:aws:iam::123456789012:user/ci" || !strings.HasPrefix(own.AccessKeyId, "ASIA") {
		t.Errorf("the session is %+v", who)
	}
	done(user, "ds", "describe-trusts")
	refused(user, "because no identity-based policy allows the ds:DescribeDirectories action", "ds", "describe-directories")
	refused(user, "(AccessDenied) when calling the GetSessionToken operation", "sts", "get-session-token")

	// A session of the role.
	made := done(ci, assume()...)
	const session = "arn:aws:sts::123456789012:assumed-role/reader/build-7"
	role := key(made.Credentials.AccessKeyId, made.Credentials.SecretAccessKey, made.Credentials.SessionToken)
	if who := done(role, "sts", "get-caller-identity"); made.AssumedRoleUser.Arn != session || who.Arn != session || who.UserId != made.AssumedRoleUser.AssumedRoleId {
		t.Errorf("assumed %+v, and the caller is %+v", made.AssumedRoleUser, who)
	}
	done(role, "ds", "describe-directories")
	refused(role, "User: "+session+" is not authorized to perform: ds:CreateAlias", "ds", "create-alias", "--directory-id", corpID, "--alias", "corp-alias")

	// A session policy only takes away.
	narrow := done(ci, assume("--policy", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["ds:DescribeTrusts","ds:CreateAlias"],"Resource":"*"}}`)...).Credentials
	narrowed := key(narrow.AccessKeyId, narrow.SecretAccessKey, narrow.SessionToken)
	done(narrowed, "ds", "describe-trusts")
	refused(narrowed, "because no session policy allows the ds:DescribeDirectories action", "ds", "describe-directories")
	refused(narrowed, "because no identity-based policy allows the ds:CreateAlias action", "ds", "create-alias", "--directory-id", corpID, "--alias", "corp-alias")

	// The role's session becomes another role, if that one trusts it, no policy denies it, and a session policy allows it.
	become := func(name string, more ...string) []string {
		return append([]string{"sts", "assume-role", "--role-arn", "arn:aws:iam::123456789012:role/" + name, "--role-session-name", "audit-1"}, more...)
	}
	chained := done(role, become("auditor")...)
	auditor := key(chained.Credentials.AccessKeyId, chained.Credentials.SecretAccessKey, chained.Credentials.SessionToken)
	if who := done(auditor, "sts", "get-caller-identity"); who.Arn != "arn:aws:sts::123456789012:assumed-role/auditor/audit-1" {
		t.Errorf("the caller is %+v", who)
	}
	done(auditor, "ds", "list-tags-for-resource", "--resource-id", corpID)
	refused(auditor, "because no identity-based policy allows the ds:DescribeDirectories action", "ds", "describe-directories")
	for _, each := range [][]string{ci, user, narrowed, auditor} {
		refused(each, "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/auditor", become("auditor")...)
	}
	refused(role, "is not authorized to perform: sts:AssumeRole", become("owner")...)
	const chainLimit = "exceeds the 1 hour session limit for roles assumed by role chaining"
	refused(role, chainLimit, become("auditor", "--duration-seconds", "3601")...)
	refused(user, chainLimit, assume("--duration-seconds", "3601")...)
	wide := done(ci, assume("--policy", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`)...).Credentials
	done(key(wide.AccessKeyId, wide.SecretAccessKey, wide.SessionToken), become("auditor")...)

	// A profile that assumes the role by itself. The Go SDK reads it: Debian's AWS CLI can't be told where STS is then.
	profile := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("[profile source]\naws_access_key_id = %s\naws_secret_access_key = %s\n[profile reader]\nrole_arn = %s\nsource_profile = source\nregion = %s\n"+
		"[profile auditor]\nrole_arn = arn:aws:iam::123456789012:role/auditor\nsource_profile = reader\nregion = %s\n", id, secret, readerARN, home, home)
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	by := func(name string) *directoryservice.Client {
		t.Helper()
		settings, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithSharedConfigFiles([]string{profile}), awsconfig.WithSharedCredentialsFiles(nil), awsconfig.WithSharedConfigProfile(name), awsconfig.WithBaseEndpoint(s.API))
		if err != nil {
			t.Fatal(err)
		}
		return directoryservice.NewFromConfig(settings)
	}
	if seen, err := by("reader").DescribeDirectories(t.Context(), nil); err != nil || len(seen.DirectoryDescriptions) == 0 {
		t.Errorf("by a profile: %v, %v", seen, err)
	}
	if _, err := by("auditor").ListTagsForResource(t.Context(), &directoryservice.ListTagsForResourceInput{ResourceId: new(corpID)}); err != nil {
		t.Errorf("by a profile whose source is a role: %v", err)
	}

	// What is refused.
	notAuthorized := " is not authorized to perform: sts:AssumeRole on resource: " + readerARN
	refused(key(strangerID, strangerSecret, ""), "(AccessDenied) when calling the AssumeRole operation", assume()...)
	refused(key(strangerID, strangerSecret, ""), "user/stranger"+notAuthorized, assume()...)
	refused(key(deniedID, deniedSecret, ""), "user/ci"+notAuthorized, assume()...)
	refused(role, session+notAuthorized, assume()...)
	refused(ci, "is not authorized to perform: sts:AssumeRole", "sts", "assume-role", "--role-arn", readerARN+"s", "--role-session-name", "build-7")
	refused(ci, "(ValidationError)", assume("--duration-seconds", "7201")...)
	refused(ci, "(MalformedPolicyDocument)", assume("--policy", `{"Version":"2012-10-17"}`)...)
	refused(ci, "(ValidationError)", assume("--tags", "Key=a,Value=b")...)
	refused(ci, "(ValidationError)", assume("--policy-arns", "arn=arn:aws:iam::aws:policy/ReadOnlyAccess")...)
	refused(ci, "(InvalidAction)", "sts", "get-access-key-info", "--access-key-id", id)
	refused(key(id, secret+"x", ""), "(SignatureDoesNotMatch)", "sts", "get-caller-identity")
	refused(key(made.Credentials.AccessKeyId, made.Credentials.SecretAccessKey, ""), "(InvalidClientTokenId)", "sts", "get-caller-identity")
	refused(key(made.Credentials.AccessKeyId, made.Credentials.SecretAccessKey, own.SessionToken), "(UnrecognizedClientException)", "ds", "describe-directories")

	found, assumed := false, false
	last := auditLog(t, s)
	for _, r := range last {
		who, _ := r["userIdentity"].(map[string]any)
		context, _ := who["sessionContext"].(map[string]any)
		issuer, _ := context["sessionIssuer"].(map[string]any)
		found = found || who["type"] == "AssumedRole" && who["arn"] == session && issuer["arn"] == readerARN && r["eventName"] == "DescribeDirectories"
		assumed = assumed || r["eventSource"] == "sts.amazonaws.com" && r["eventName"] == "AssumeRole" && who["userName"] == "ci" && r["errorCode"] == nil &&
			strings.Contains(fmt.Sprint(r["responseElements"]), made.Credentials.AccessKeyId)
	}
	if !found || !assumed {
		t.Errorf("the audit trail has the role's call: %t; its assumption: %t", found, assumed)
	}
	if said, code := latchkey(t, s, "audit", "list", "--data", s.data, "--user", "reader"); code != 0 || !strings.Contains(said, "\tDescribeDirectories\treader/build-7\t") {
		t.Errorf("audit list: %d %s", code, said)
	}
	if events, refusal := lookUp(t, s, nil, "--lookup-attributes", "AttributeKey=Username,AttributeValue=build-7"); refusal != "" || len(events.Events) == 0 || events.Events[0].Username != "build-7" {
		t.Errorf("lookup-events: %s %+v", refusal, events)
	}
	for _, hidden := range []string{made.Credentials.SecretAccessKey, made.Credentials.SessionToken, own.SessionToken} {
		if strings.Contains(fmt.Sprint(last), hidden) || strings.Contains(s.log.String(), hidden) {
			t.Error("a secret or a session token is in the audit trail or the log")
		}
	}

	// The session ends with the key behind it.
	disable(t, s, id)
	refused(role, "(UnrecognizedClientException)", "ds", "describe-directories")
	refused(auditor, "(UnrecognizedClientException)", "ds", "list-tags-for-resource", "--resource-id", corpID)
	refused(user, "(InvalidClientTokenId)", "sts", "get-caller-identity")
}

func disable(t *testing.T, s *server, id string) {
	t.Helper()
	own("UpdateAccessKey", `{"AccessKeyId":"`+id+`","Status":"Inactive"}`).send(t, s)
}
