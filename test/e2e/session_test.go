package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservicedata"

	"latchkey/internal/config"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/identity"
	"latchkey/internal/masterkey"
)

// TestExpiredSession: what clients are told once a session is over. Its token is of the server's own master key, and of yesterday.
func TestExpiredSession(t *testing.T) {
	t.Parallel()
	roles := rolesFile(t)
	s := start(t, worldSeed, func(c *config.Config) { c.Roles = roles })
	key, err := masterkey.InDirectory(s.data)
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := embedded.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := accessKey(t, s, "ci", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	for name, role := range map[string]string{"of a user": "", "of a role": "reader"} {
		session := func(ends time.Time) (identity.Temporary, error) {
			return (&identity.Issuer{Sealer: keyring}).Begin(identity.Session{Account: "123456789012", Behind: id, Role: role, Name: role, Created: ends.Add(-time.Hour), Expires: ends})
		}
		over, err := session(time.Now().Add(-24 * time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		still, err := session(time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		call := func(made identity.Temporary, args ...string) (string, error) {
			command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{"--endpoint-url", s.API, "--region", home}, args...)...)
			command.Env = environment(t, s, "AWS_ACCESS_KEY_ID="+made.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+made.SecretAccessKey, "AWS_SESSION_TOKEN="+made.SessionToken)
			said, err := command.CombinedOutput()
			return string(said), err
		}
		for want, args := range map[string][]string{
			"(ExpiredTokenException)": {"ds", "describe-directories"},
			"(ExpiredToken)":          {"sts", "get-caller-identity"},
		} {
			if said, err := call(still, args...); err != nil {
				t.Errorf("a session %s: %v: %v, %s", name, args, err, said)
			}
			if said, err := call(over, args...); err == nil || !strings.Contains(said, want) || !strings.Contains(said, "The security token included in the request is expired") {
				t.Errorf("a session %s that is over: %v: %v, %s", name, args, err, said)
			}
		}
		data := directoryservicedata.New(directoryservicedata.Options{
			Region: home, BaseEndpoint: &s.API, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(over.AccessKeyID, over.SecretAccessKey, over.SessionToken),
		})
		if _, err := data.ListUsers(t.Context(), &directoryservicedata.ListUsersInput{DirectoryId: aws.String(corpID)}); err == nil || !strings.Contains(err.Error(), "ExpiredTokenException") {
			t.Errorf("a session %s that is over: ListUsers: %v", name, err)
		}
	}
}

// TestSTSFaults: a developer's server makes calls of STS fail, too.
func TestSTSFaults(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing)
	call := func() (string, error) {
		command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), "--endpoint-url", s.API, "--region", home, "sts", "get-caller-identity")
		command.Env = environment(t, s, "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
		said, err := command.CombinedOutput()
		return string(said), err
	}
	for _, c := range []struct{ fault, want string }{
		{`"Code":"ThrottlingException"`, "(Throttling)"},
		{`"Code":"AccessDeniedException","Message":"It rains."`, ": It rains."},
		{`"Code":"ServiceException"`, "(InternalFailure)"},
		{`"Drop":true`, "Connection was closed"},
	} {
		if said := develop(t, s, "AddFault", `{"Operation":"GetCallerIdentity","Times":1,`+c.fault+`}`); !strings.Contains(said, "FaultId") {
			t.Fatal(said)
		}
		if said, err := call(); err == nil || !strings.Contains(said, c.want) {
			t.Errorf("%s: %v, %s", c.fault, err, said)
		}
	}
	if said, err := call(); err != nil {
		t.Errorf("without a fault: %v, %s", err, said)
	}
}
