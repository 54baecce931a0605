package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// record is a line of audit.log, with CloudTrail's members.
type record map[string]any

// auditLog reads the trail.
func auditLog(t *testing.T, s *server) []record {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	for line := range strings.Lines(string(text)) {
		var r record
		decode(t, []byte(line), &r)
		records = append(records, r)
	}
	return records
}

// reason is what an administrator is told.
func (r record) reason() string {
	data, _ := r["additionalEventData"].(map[string]any)
	text, _ := data["reason"].(string)
	return text
}

const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// TestAudit: every call and every refusal is one line, with CloudTrail's members and without a secret.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := world(t)
	for _, r := range auditLog(t, s) {
		t.Errorf("a line before the first call: %v", r)
	}
	key, _ := s.root()
	resetOf := func(directory, user, password string) raw {
		return raw{operation: "ResetUserPassword", body: resetBody(t, directory, user, password)}
	}
	shown := func(directory, user string) map[string]any {
		return map[string]any{"directoryId": directory, "userName": user, "newPassword": hidden}
	}
	for _, c := range []struct {
		name       string
		raw        raw
		errorCode  string
		parameters map[string]any // nil: null
		response   map[string]any
		readOnly   bool
		anonymous  bool
		reasons    []string
	}{
		{name: "a reset", raw: resetOf(corpID, "jane", nextPassword), parameters: shown(corpID, "jane")},
		{name: "a list", raw: raw{body: `{"Limit":2}`}, parameters: map[string]any{"limit": 2.0}, readOnly: true},
		{name: "a list's second page", raw: raw{body: `{"NextToken":"nonsense"}`}, parameters: map[string]any{"nextToken": "REDACTED"}, readOnly: true, errorCode: "InvalidNextTokenException"},
		{
			name: "nested group", raw: resetOf(labID, "nested", nextPassword), parameters: shown(labID, "nested"), errorCode: "UnsupportedOperationException",
			reasons: []string{"CN=nested,CN=Users," + labBase + " is a member of CN=Operators,CN=Users," + labBase + ", which is a member of CN=Shifts,CN=Users," + labBase + ", which is a member of CN=Domain Admins,CN=Users," + labBase},
		},
		{
			name: "direct group", raw: resetOf(labID, "direct", nextPassword), parameters: shown(labID, "direct"), errorCode: "UnsupportedOperationException",
			reasons: []string{"CN=direct,CN=Users," + labBase + " is a member of CN=Domain Admins,CN=Users," + labBase},
		},
		{
			name: "primary group", raw: resetOf(labID, "primary", nextPassword), parameters: shown(labID, "primary"), errorCode: "UnsupportedOperationException",
			reasons: []string{"primaryGroupID 512", "CN=Domain Admins,CN=Users," + labBase},
		},
		{name: "Enterprise Admins", raw: resetOf(labID, "enterprise", nextPassword), parameters: shown(labID, "enterprise"), errorCode: "UnsupportedOperationException", reasons: []string{"CN=Enterprise Admins,CN=Users," + labBase}},
		{
			name: "outside the OU", raw: resetOf(corpID, "elsewhere", nextPassword), parameters: shown(corpID, "elsewhere"), errorCode: "UnsupportedOperationException",
			reasons: []string{"CN=elsewhere,OU=Elsewhere," + corpBase + " is not below OU=CORP," + corpBase},
		},
		{name: "too short", raw: resetOf(corpID, "jane", "Wx9~Kq7"), parameters: shown(corpID, "jane"), errorCode: "InvalidPasswordException", reasons: []string{"minPwdLength", "8"}},
		{name: "too simple", raw: resetOf(corpID, "jane", "alllettersaresmall"), parameters: shown(corpID, "jane"), errorCode: "InvalidPasswordException", reasons: []string{"pwdProperties", "1 kinds", "3 of"}},
		{name: "the account's name", raw: resetOf(corpID, "jane", marker+"-jane-1"), parameters: shown(corpID, "jane"), errorCode: "InvalidPasswordException", reasons: []string{"sAMAccountName"}},
		{name: "the display name", raw: resetOf(corpID, "jane", marker+"-doe-1"), parameters: shown(corpID, "jane"), errorCode: "InvalidPasswordException", reasons: []string{"displayName"}},
		{name: "nobody", raw: resetOf(corpID, "nobody", nextPassword), parameters: shown(corpID, "nobody"), errorCode: "UserDoesNotExistException", reasons: []string{`"nobody"`, "sAMAccountName"}},
		{name: "krbtgt", raw: resetOf(labID, "krbtgt", nextPassword), parameters: shown(labID, "krbtgt"), errorCode: "UserDoesNotExistException", reasons: []string{"key distribution center"}},
		{name: "no directory", raw: resetOf(noID, "jane", nextPassword), parameters: shown(noID, "jane"), errorCode: "EntityDoesNotExistException"},
		{name: "not ready", raw: resetOf(deadID, "jane", nextPassword), parameters: shown(deadID, "jane"), errorCode: "DirectoryUnavailableException"},
		{name: "a failure of ours", raw: resetOf(brokenID, "sealed", nextPassword), parameters: shown(brokenID, "sealed"), errorCode: "ServiceException", reasons: []string{"master key"}},
		{name: "NUL", raw: resetOf(corpID, "jane", marker+"\x00"), parameters: shown(corpID, "jane"), errorCode: "ClientException"},
		{name: "validation", raw: resetOf("zz", "jane", marker+strings.Repeat("x", 127)), errorCode: "ValidationException"},
		{name: "types", raw: raw{operation: "ResetUserPassword", body: `{"NewPassword":["` + nextPassword + `"]}`}, errorCode: "SerializationException"},
		{name: "wrong signature", raw: raw{operation: "ResetUserPassword", body: resetBody(t, corpID, "jane", nextPassword), secret: "not-the-right-secret"}, errorCode: "InvalidSignatureException", anonymous: true},
		{name: "unknown key", raw: raw{key: "AKIAAAAAAAAAAAAAAAAA"}, errorCode: "UnrecognizedClientException", readOnly: true, anonymous: true},
		{name: "no signature", raw: raw{unsigned: true}, errorCode: "MissingAuthenticationTokenException", readOnly: true, anonymous: true},
		{name: "delete", raw: raw{operation: "DeleteDirectory", body: `{"DirectoryId":"` + labID + `"}`}, parameters: map[string]any{"directoryId": labID}, response: map[string]any{"directoryId": labID}},
	} {
		t.Run(c.name, func(t *testing.T) {
			known := map[any]bool{}
			for _, r := range auditLog(t, s) {
				known[r["eventID"]] = true
			}
			c.raw.header = map[string]string{"User-Agent": "tester/1.0"}
			before := time.Now().UTC().Truncate(time.Second)
			got := c.raw.send(t, s)
			id := got.id(t)
			var r record
			// A read's line may be a moment later than its answer; a write's is not.
			for deadline := time.Now().Add(time.Minute); r == nil; time.Sleep(5 * time.Millisecond) {
				records := auditLog(t, s)
				count := 0
				for _, each := range records {
					if each["requestID"] == id {
						r = each
						count++
					}
				}
				if count > 1 || len(records)-len(known) > 1 {
					t.Fatalf("%d lines for the call, %d new ones", count, len(records)-len(known))
				}
				if r == nil && (!c.readOnly && c.errorCode == "" || time.Now().After(deadline)) {
					t.Fatal("no line for the call")
				}
			}
			operation := or(c.raw.operation, "DescribeDirectories")
			wants := map[string]any{
				"eventVersion": "1.08", "eventSource": "ds.amazonaws.com", "eventName": operation, "sourceIPAddress": "127.0.0.1", "userAgent": "tester/1.0",
				"readOnly": c.readOnly, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "123456789012", "eventCategory": "Management",
			}
			if !c.anonymous {
				wants["awsRegion"] = home
			}
			if c.errorCode != "" {
				wants["errorCode"] = c.errorCode
			}
			for member, want := range wants {
				if r[member] != want {
					t.Errorf("%s is %v, want %v", member, r[member], want)
				}
			}
			if c.errorCode == "" && r["errorCode"] != nil || (got.status == http.StatusOK) != (r["errorCode"] == nil) {
				t.Errorf("errorCode is %v, the status %d", r["errorCode"], got.status)
			}
			if at, err := time.Parse("2006-01-02T15:04:05Z", r["eventTime"].(string)); err != nil || at.Before(before) || at.After(time.Now()) {
				t.Errorf("eventTime is %v", r["eventTime"])
			}
			if event, _ := r["eventID"].(string); !uuid.MatchString(event) || event == id {
				t.Errorf("eventID is %q", event)
			}
			who, _ := r["userIdentity"].(map[string]any)
			if c.anonymous {
				if who["type"] != "Unknown" || who["arn"] != nil {
					t.Errorf("userIdentity is %v", who)
				}
			} else if who["type"] != "Root" || who["arn"] != "arn:aws:iam::123456789012:root" || who["accessKeyId"] != key || who["accountId"] != "123456789012" {
				t.Errorf("userIdentity is %v", who)
			}
			for member, want := range map[string]map[string]any{"requestParameters": c.parameters, "responseElements": c.response} {
				value, there := r[member]
				if shown, _ := value.(map[string]any); !there || string(encode(t, shown)) != string(encode(t, want)) {
					t.Errorf("%s is %v, want %v", member, value, want)
				}
			}
			if c.parameters["directoryId"] != nil {
				resources, _ := r["resources"].([]any)
				if want := "arn:aws:ds:us-east-1:123456789012:directory/" + c.parameters["directoryId"].(string); len(resources) != 1 || resources[0].(map[string]any)["ARN"] != want {
					t.Errorf("resources are %v", resources)
				}
			}
			for _, want := range c.reasons {
				if !strings.Contains(r.reason(), want) {
					t.Errorf("the reason is %q, want %q in it", r.reason(), want)
				}
				if strings.Contains(got.body, want) && strings.Contains(want, "=") {
					t.Errorf("the client is told of %s", want)
				}
			}
			if c.errorCode != "" && !strings.Contains(s.log.String(), id) {
				t.Error("the log does not have the request's id")
			}
		})
	}
	t.Run("creation", func(t *testing.T) {
		a := callGoSDK(t, s, home, "CreateMicrosoftAD", managed("made.example.com"))
		a.accepted(t)
		records := auditLog(t, s)
		r := records[len(records)-1]
		parameters, _ := r["requestParameters"].(map[string]any)
		response, _ := r["responseElements"].(map[string]any)
		if r["eventName"] != "CreateMicrosoftAD" || parameters["password"] != hidden || parameters["name"] != "made.example.com" || response["directoryId"] != a.Output["DirectoryId"] {
			t.Errorf("got %v", r)
		}
	})
	s.stop()
	noSecrets(t, s)
}
