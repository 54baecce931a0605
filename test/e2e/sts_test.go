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

// holder is somebody with an access key, or with temporary credentials, who uses the AWS CLI.
type holder struct {
	s                 *server
	id, secret, token string
}

func (h holder) run(t *testing.T, args ...string) (said string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{"--endpoint-url", h.s.API, "--region", home, "--output", "json"}, args...)...)
	command.Env = environment(t, h.s, "AWS_ACCESS_KEY_ID="+h.id, "AWS_SECRET_ACCESS_KEY="+h.secret)
	if h.token != "" {
		command.Env = append(command.Env, "AWS_SESSION_TOKEN="+h.token)
	}
	out, err := command.CombinedOutput()
	return string(out), err
}

// stsAnswer is what STS answers.
type stsAnswer struct {
	Arn, Account, UserId string
	Credentials          struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	AssumedRoleUser      struct{ Arn, AssumedRoleId string }
}

func (h holder) done(t *testing.T, args ...string) (out stsAnswer) {
	t.Helper()
	said, err := h.run(t, args...)
	if err != nil {
		t.Fatalf("%v: %v, %s", args, err, said)
	}
	decode(t, []byte(said), &out)
	return out
}

func (h holder) refused(t *testing.T, want string, args ...string) {
	t.Helper()
	if said, err := h.run(t, args...); err == nil || !strings.Contains(said, want) {
		t.Errorf("%v: %v, %s; want %s", args, err, said, want)
	}
}

// holder is who has the credentials.
func (a stsAnswer) holder(s *server) holder {
	return holder{s, a.Credentials.AccessKeyId, a.Credentials.SecretAccessKey, a.Credentials.SessionToken}
}

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

	key := func(id, secret, token string) holder { return holder{s, id, secret, token} }
	ci := key(id, secret, "")
	assume := func(more ...string) []string {
		return append([]string{"sts", "assume-role", "--role-arn", readerARN, "--role-session-name", "build-7"}, more...)
	}

	if who := ci.done(t, "sts", "get-caller-identity"); who.Arn != "arn:aws:iam::123456789012:user/ci" || who.Account != "123456789012" {
		t.Errorf("the caller is %+v", who)
	}

	// A session of the user may do what the user may.
	own := ci.done(t, "sts", "get-session-token")
	user := own.holder(s)
	if who := user.done(t, "sts", "get-caller-identity"); who.Arn != "arn:aws:iam::123456789012:user/ci" || !strings.HasPrefix(own.Credentials.AccessKeyId, "ASIA") {
		t.Errorf("the session is %+v", who)
	}
	user.done(t, "ds", "describe-trusts")
	user.refused(t, "because no identity-based policy allows the ds:DescribeDirectories action", "ds", "describe-directories")
	user.refused(t, "(AccessDenied) when calling the GetSessionToken operation", "sts", "get-session-token")

	// A session of the role.
	made := ci.done(t, assume()...)
	const session = "arn:aws:sts::123456789012:assumed-role/reader/build-7"
	role := made.holder(s)
	if who := role.done(t, "sts", "get-caller-identity"); made.AssumedRoleUser.Arn != session || who.Arn != session || who.UserId != made.AssumedRoleUser.AssumedRoleId {
		t.Errorf("assumed %+v, and the caller is %+v", made.AssumedRoleUser, who)
	}
	role.done(t, "ds", "describe-directories")
	role.refused(t, "User: "+session+" is not authorized to perform: ds:CreateAlias", "ds", "create-alias", "--directory-id", corpID, "--alias", "corp-alias")

	// A session policy only takes away.
	narrowed := ci.done(t, assume("--policy", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["ds:DescribeTrusts","ds:CreateAlias"],"Resource":"*"}}`)...).holder(s)
	narrowed.done(t, "ds", "describe-trusts")
	narrowed.refused(t, "because no session policy allows the ds:DescribeDirectories action", "ds", "describe-directories")
	narrowed.refused(t, "because no identity-based policy allows the ds:CreateAlias action", "ds", "create-alias", "--directory-id", corpID, "--alias", "corp-alias")

	// The role's session becomes another role, if that one trusts it, no policy denies it, and a session policy allows it.
	become := func(name string, more ...string) []string {
		return append([]string{"sts", "assume-role", "--role-arn", "arn:aws:iam::123456789012:role/" + name, "--role-session-name", "audit-1"}, more...)
	}
	auditor := role.done(t, become("auditor")...).holder(s)
	if who := auditor.done(t, "sts", "get-caller-identity"); who.Arn != "arn:aws:sts::123456789012:assumed-role/auditor/audit-1" {
		t.Errorf("the caller is %+v", who)
	}
	auditor.done(t, "ds", "list-tags-for-resource", "--resource-id", corpID)
	auditor.refused(t, "because no identity-based policy allows the ds:DescribeDirectories action", "ds", "describe-directories")
	for _, each := range []holder{ci, user, narrowed, auditor} {
		each.refused(t, "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/auditor", become("auditor")...)
	}
	role.refused(t, "is not authorized to perform: sts:AssumeRole", become("owner")...)
	const chainLimit = "exceeds the 1 hour session limit for roles assumed by role chaining"
	role.refused(t, chainLimit, become("auditor", "--duration-seconds", "3601")...)
	user.refused(t, chainLimit, assume("--duration-seconds", "3601")...)
	wide := ci.done(t, assume("--policy", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`)...).holder(s)
	wide.done(t, become("auditor")...)

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
	key(strangerID, strangerSecret, "").refused(t, "(AccessDenied) when calling the AssumeRole operation", assume()...)
	key(strangerID, strangerSecret, "").refused(t, "user/stranger"+notAuthorized, assume()...)
	key(deniedID, deniedSecret, "").refused(t, "user/ci"+notAuthorized, assume()...)
	role.refused(t, session+notAuthorized, assume()...)
	ci.refused(t, "is not authorized to perform: sts:AssumeRole", "sts", "assume-role", "--role-arn", readerARN+"s", "--role-session-name", "build-7")
	ci.refused(t, "(ValidationError)", assume("--duration-seconds", "7201")...)
	ci.refused(t, "(MalformedPolicyDocument)", assume("--policy", `{"Version":"2012-10-17"}`)...)
	ci.refused(t, "(ValidationError)", assume("--tags", "Key=a,Value=b")...)
	ci.refused(t, "(ValidationError)", assume("--policy-arns", "arn=arn:aws:iam::aws:policy/ReadOnlyAccess")...)
	ci.refused(t, "(InvalidAction)", "sts", "get-access-key-info", "--access-key-id", id)
	key(id, secret+"x", "").refused(t, "(SignatureDoesNotMatch)", "sts", "get-caller-identity")
	key(made.Credentials.AccessKeyId, made.Credentials.SecretAccessKey, "").refused(t, "(InvalidClientTokenId)", "sts", "get-caller-identity")
	key(made.Credentials.AccessKeyId, made.Credentials.SecretAccessKey, own.Credentials.SessionToken).refused(t, "(UnrecognizedClientException)", "ds", "describe-directories")

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
	for _, hidden := range []string{made.Credentials.SecretAccessKey, made.Credentials.SessionToken, own.Credentials.SessionToken} {
		if strings.Contains(fmt.Sprint(last), hidden) || strings.Contains(s.log.String(), hidden) {
			t.Error("a secret or a session token is in the audit trail or the log")
		}
	}

	// The session ends with the key behind it.
	disable(t, s, id)
	role.refused(t, "(UnrecognizedClientException)", "ds", "describe-directories")
	auditor.refused(t, "(UnrecognizedClientException)", "ds", "list-tags-for-resource", "--resource-id", corpID)
	user.refused(t, "(InvalidClientTokenId)", "sts", "get-caller-identity")
}

func disable(t *testing.T, s *server, id string) {
	t.Helper()
	own("UpdateAccessKey", `{"AccessKeyId":"`+id+`","Status":"Inactive"}`).send(t, s)
}
