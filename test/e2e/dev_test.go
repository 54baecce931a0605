package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"

	"latchkey/internal/config"
	"latchkey/internal/identity"
	"latchkey/internal/sigv4"
)

// develop calls an operation of Latchkey's own.
func develop(t *testing.T, s *server, operation, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.API, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Latchkey_20261101."+operation)
	if err := sigv4.Sign(request, []byte(body), identity.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, "", "ds", home, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, response.Body); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestFaults: calls fail as they were told to, SDKs try again and succeed, and the audit trail says that it was done on purpose.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing)
	call := account(s, "123456789012")
	own := func(operation, body, want string) string {
		t.Helper()
		said := develop(t, s, operation, body)
		if !strings.Contains(said, want) {
			t.Errorf("%s %s: %s", operation, body, said)
		}
		return said
	}
	own("AddFault", `{"Operation":"ResetUserPassword","Code":"ThrottlingException","Times":2,"DirectoryId":"`+corpID+`","UserName":"JANE"}`, `"FaultId":"f-`)
	own("ListFaults", `{}`, `"Times":2`)
	if a := call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)); a.Exception != "ThrottlingException" {
		t.Errorf("%s", a)
	}
	call(t, home, "ResetUserPassword", reset(corpID, "kim.cli", nextPassword)).accepted(t)
	// The SDK tries again by itself.
	patient := directoryservice.New(directoryservice.Options{
		Region: home, BaseEndpoint: &s.API, RetryMaxAttempts: 3, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	goCall(t, patient, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	own("ListFaults", `{}`, `"Faults":[]`)

	own("AddFault", `{"Code":"DirectoryUnavailableException","Message":"It rains.","DirectoryId":"`+labID+`"}`, `"FaultId"`)
	call(t, home, "ResetUserPassword", reset(labID, "direct", nextPassword)).refused(t, "DirectoryUnavailableException", "It rains.")
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	own("ClearFaults", `{}`, "")

	own("AddFault", `{"Operation":"DescribeDirectories","Drop":true,"Times":1}`, `"FaultId"`)
	goCall(t, patient, "DescribeDirectories", map[string]any{}).accepted(t)
	own("AddFault", `{"Operation":"DescribeDirectories","DelayMilliseconds":300,"Times":1}`, `"FaultId"`)
	began := time.Now()
	call(t, home, "DescribeDirectories", map[string]any{}).accepted(t)
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("the delay was %v", took)
	}
	own("AddFault", `{"Operation":"ResetPassword","Code":"ThrottlingException"}`, "There is no operation ResetPassword.")
	own("AddFault", `{"Operation":"UserPassword","Code":"ThrottlingException"}`, "Did you mean ResetUserPassword?")
	own("AddFault", `{"Code":"Throttling"}`, "Did you mean ThrottlingException?")
	own("AddFault", `{}`, "InvalidParameterException")
	own("ClearFaults", `{"FaultId":"f-0123456789"}`, "EntityDoesNotExistException")

	serious := start(t, "")
	key, secret := serious.root()
	request, err := http.NewRequest(http.MethodPost, serious.API, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Latchkey_20261101.ResetServer")
	if err := sigv4.Sign(request, []byte("{}"), identity.Credentials{AccessKeyID: key, SecretAccessKey: secret}, "", "ds", home, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, response.Body); err != nil || !strings.Contains(text.String(), "not started with --dev") {
		t.Errorf("without --dev: %v %s", err, text.String())
	}
}

// TestHeldStages: a directory stays in the stage that it was given, and calls do as the stage has it.
func TestHeldStages(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing)
	call := account(s, "123456789012")
	for _, stage := range []string{"Inoperable", "Restoring", "Failed", "Creating"} {
		if said := develop(t, s, "SetStage", `{"DirectoryId":"`+corpID+`","Stage":"`+stage+`","Reason":"a test"}`); said != "" {
			t.Errorf("%s: %s", stage, said)
		}
		if d := described(t, call, home, corpID); d["Stage"] != stage || d["StageReason"] != "a test" {
			t.Errorf("%v", d)
		}
		call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).refused(t, "DirectoryUnavailableException", stage)
	}
	develop(t, s, "SetStage", `{"DirectoryId":"`+corpID+`","Stage":"Impaired"}`)
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	develop(t, s, "SetStage", `{"DirectoryId":"`+corpID+`","Release":true}`)
	if d := described(t, call, home, corpID); d["Stage"] != "Active" {
		t.Errorf("%v", d)
	}
	for body, want := range map[string]string{
		`{"DirectoryId":"` + corpID + `","Release":true}`: "held in no stage",
		`{"DirectoryId":"` + corpID + `"}`:                "Give a Stage, or Release.",
		`{"DirectoryId":"` + noID + `","Release":true}`:   "EntityDoesNotExistException",
	} {
		if said := develop(t, s, "SetStage", body); !strings.Contains(said, want) {
			t.Errorf("%s: %s", body, said)
		}
	}
}

// TestResetServer: whatever was done, the server is as its seed had it, each time.
func TestResetServer(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing)
	call := account(s, "123456789012")
	works := func(password string) int {
		_, code := openldap(t, s, "ldapwhoami", "", "-H", s.LDAP, "-D", `CORP\jane`, "-w", password)
		return code
	}
	for round := range 3 {
		call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
		call(t, home, "CreateAlias", of(corpID, "Alias", "round")).accepted(t)
		completed(t, call, corpID, "of a round")
		call(t, home, "CreateMicrosoftAD", managed("more.example.com")).accepted(t)
		develop(t, s, "AddFault", `{"Code":"ThrottlingException"}`)
		if round == 1 {
			develop(t, s, "ClearFaults", `{}`)
			call(t, home, "DeleteDirectory", of(labID)).accepted(t)
			develop(t, s, "SetStage", `{"DirectoryId":"`+corpID+`","Stage":"Failed"}`)
		}
		began := time.Now()
		if said := develop(t, s, "ResetServer", `{}`); said != "" {
			t.Fatalf("round %d: %s\n%s", round, said, s.log.String())
		}
		t.Logf("reset within %v", time.Since(began))
		if all := call(t, home, "DescribeDirectories", map[string]any{}).list(t, "DirectoryDescriptions"); len(all) != 2 || all[0]["Stage"] != "Active" || all[1]["Stage"] != "Active" || all[1]["Alias"] != corpID {
			t.Errorf("round %d: %v", round, all)
		}
		if works(firstPassword) != 0 || works(nextPassword) != 49 {
			t.Errorf("round %d: the seeded password: %d, the other: %d", round, works(firstPassword), works(nextPassword))
		}
		if all := snapshotsOf(t, call, map[string]any{}); len(all) != 0 {
			t.Errorf("round %d: %v", round, all)
		}
		call(t, home, "ResetUserPassword", reset(labID, "lee.cli", nextPassword)).accepted(t)
	}
}

// TestDelays: what was told to be slow is, and its stages can be seen.
func TestDelays(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing, func(c *config.Config) { c.DevDelay = []string{"create=400ms", "delete=400ms"} })
	call := account(s, "123456789012")
	a := call(t, home, "CreateMicrosoftAD", managed("slow.example.com"))
	a.accepted(t)
	id := a.Output["DirectoryId"].(string)
	await(t, "Creating", func() bool { return described(t, call, home, id)["Stage"] == "Creating" })
	await(t, "Active", func() bool { return described(t, call, home, id)["Stage"] == "Active" })
	call(t, home, "DeleteDirectory", of(id)).accepted(t)
	if got := described(t, call, home, id)["Stage"]; got != "Deleting" {
		t.Errorf("%v", got)
	}
	gone(t, call, home, id)
}
