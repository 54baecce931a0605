package e2e

import (
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"

	"latchkey/internal/config"
)

func throttledRecords(t *testing.T, s *server) (n int) {
	t.Helper()
	for _, r := range auditLog(t, s) {
		if r["errorCode"] == "ThrottlingException" && r["errorMessage"] == "Rate exceeded" {
			n++
		}
	}
	return n
}

// TestThrottleUser: one user's password is reset only so often, others are not touched by that, and a flood of refusals leaves
// a record a second.
func TestThrottleUser(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) { c.ThrottleUser = "0.001:2" })
	call := goClient(t, s)
	for range 2 {
		call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	}
	began := time.Now()
	const flood = 200
	for i := range flood {
		name := "jane"
		if i%2 == 0 {
			name = "JANE"
		}
		if a := call(t, home, "ResetUserPassword", reset(corpID, name, nextPassword)); a.Exception != "ThrottlingException" || a.Status != 400 || a.Message != "Rate exceeded" {
			t.Fatalf("call %d: %+v", i, a)
		}
	}
	took := time.Since(began)
	call(t, home, "ResetUserPassword", reset(corpID, "off", nextPassword)).accepted(t)
	call(t, home, "DescribeDirectories", nil).accepted(t)
	s.stop()
	if n := throttledRecords(t, s); n < 1 || n > 1+int(math.Ceil(took.Seconds())) {
		t.Errorf("%d records of %d refusals within %s", n, flood, took)
	}
}

// TestThrottleRetries: AWS's client tries again what was refused as too much, and succeeds.
func TestThrottleRetries(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) { c.ThrottleKey = "1:1" })
	call := goClient(t, s)
	aws := program(t, "aws", "awscli")
	const refused = "ThrottlingException"
	for range 3 {
		command := exec.CommandContext(t.Context(), aws, "--debug", "--endpoint-url", s.API, "--region", home, "ds", "describe-directories", "--directory-ids", corpID)
		command.Env = environment(t, s, "AWS_MAX_ATTEMPTS=20", "AWS_RETRY_MODE=standard")
		said := &safeBuffer{}
		command.Stdout, command.Stderr = said, said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		// Somebody with the same key takes every token until the client has been refused.
		var err error
		for running := true; running && !strings.Contains(said.String(), refused); {
			call(t, home, "DescribeDirectories", nil)
			select {
			case err = <-ended:
				running = false
			default:
			}
			if !running {
				ended <- err
			}
		}
		if err := <-ended; err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		if strings.Contains(said.String(), refused) {
			return
		}
	}
	t.Error("the client was never refused")
}

// TestThrottleSDKs: so do AWS's SDKs.
func TestThrottleSDKs(t *testing.T) {
	t.Parallel()
	const attempts = 10
	for name, connect := range map[string]func(*testing.T, *server) caller{
		"boto3": func(t *testing.T, s *server) caller { return boto3With(t, s, fmt.Sprint("E2E_ATTEMPTS=", attempts)) },
		"js": func(t *testing.T, s *server) caller {
			return javaScriptWith(t, s, fmt.Sprint("E2E_ATTEMPTS=", attempts))
		},
		"go": func(_ *testing.T, s *server) caller {
			key, secret := s.root()
			client := directoryservice.New(directoryservice.Options{
				Region: home, BaseEndpoint: &s.API, RetryMaxAttempts: attempts, Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
			})
			return func(t *testing.T, _, operation string, input map[string]any) answer {
				return goCall(t, client, operation, input)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, worldSeed, func(c *config.Config) { c.ThrottleKey = "2:1" })
			call := connect(t, s)
			// On a busy machine it may take a while until one call comes soon after another.
			for n := 0; n < 5 || n < 100 && throttledRecords(t, s) == 0; n++ {
				call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
			}
			if throttledRecords(t, s) == 0 {
				t.Error("it was never refused")
			}
		})
	}
}
