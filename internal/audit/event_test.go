package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGolden(t *testing.T) {
	e := &Event{
		UserIdentity: UserIdentity{
			Type: "IAMUser", PrincipalID: "AIDAEXAMPLE", ARN: "arn:aws:iam::123456789012:user/anna",
			AccountID: "123456789012", AccessKeyID: "AKIAIOSFODNN7EXAMPLE", UserName: "anna",
		},
		EventTime: at, EventName: "ResetUserPassword", AWSRegion: "us-east-1", SourceIPAddress: "192.0.2.1",
		UserAgent:         "evil\x1b[2J\n\"\\\u202eé\xff\u0085",
		RequestParameters: json.RawMessage("{\n \"directoryId\": \"d-1234567890\",\n \"newPassword\": \"HIDDEN_DUE_TO_SECURITY_REASONS\" }"),
		ResponseElements:  json.RawMessage(`{"sID":"S-1"}`), AdditionalEventData: json.RawMessage(`{"reason":"why"}`),
		RequestID: "362da74b-62dc-4116-8785-e65cbacb52c3", EventID: "00000000-0000-4000-8000-000000000000",
		Resources: []Resource{
			{"123456789012", "AWS::DirectoryService::MicrosoftAD", "arn:aws:ds:us-east-1:123456789012:directory/d-1234567890"},
			{"1", "2", "3"},
		},
		RecipientAccountID: "123456789012",
		TLSDetails:         &TLSDetails{"TLSv1.3", "TLS_AES_128_GCM_SHA256", "ds.us-east-1.amazonaws.com"},
	}
	const head = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::123456789012:user/anna",` +
		`"accountId":"123456789012","accessKeyId":"AKIAIOSFODNN7EXAMPLE","userName":"anna"},"eventTime":"2026-06-09T10:00:00Z",` +
		`"eventSource":"ds.amazonaws.com","eventName":"ResetUserPassword","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.1",` +
		`"userAgent":"evil\u001b[2J\u000a\"\\\u202eé\ufffd\u0085",`
	const middle = `"additionalEventData":{"reason":"why"},"requestID":"362da74b-62dc-4116-8785-e65cbacb52c3",` +
		`"eventID":"00000000-0000-4000-8000-000000000000","readOnly":false,"resources":[{"accountId":"123456789012",` +
		`"type":"AWS::DirectoryService::MicrosoftAD","ARN":"arn:aws:ds:us-east-1:123456789012:directory/d-1234567890"},` +
		`{"accountId":"1","type":"2","ARN":"3"}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"123456789012",` +
		`"eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256",` +
		`"clientProvidedHostHeader":"ds.us-east-1.amazonaws.com"}}`
	want := head + `"requestParameters":{"directoryId":"d-1234567890","newPassword":"HIDDEN_DUE_TO_SECURITY_REASONS"},"responseElements":{"sID":"S-1"},` + middle
	if diff := cmp.Diff(want, string(e.append(nil))); diff != "" {
		t.Errorf("success (-want +got):\n%s", diff)
	}
	e.Fail("AccessDeniedException", "User: a is not authorized")
	want = head + `"errorCode":"AccessDenied","errorMessage":"User: a is not authorized","requestParameters":null,"responseElements":null,` + middle
	if diff := cmp.Diff(want, string(e.append(nil))); diff != "" {
		t.Errorf("denied (-want +got):\n%s", diff)
	}
}

// FuzzEvent: whatever a caller sends, the event is one line, valid JSON and says the same as encoding/json's reading of it.
func FuzzEvent(f *testing.F) {
	f.Add("curl\x00\n\u2028", `{"a": [1, 2]}`, "d")
	f.Add(strings.Repeat("é", 600), "{", "\\")
	f.Fuzz(func(t *testing.T, agent, parameters, name string) {
		e := &Event{UserAgent: agent, RequestParameters: json.RawMessage(parameters), EventName: name}
		line := e.append([]byte("x"))[1:]
		var got Event
		if err := json.Unmarshal(line, &got); err != nil || bytes.ContainsAny(line, "\n\r\x1b\x00") {
			t.Fatalf("%q: %v", line, err)
		}
		if want := strings.ToValidUTF8(cut(agent), "\ufffd"); strings.ReplaceAll(got.UserAgent, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Fatalf("got user agent %q, want %q", got.UserAgent, want)
		}
		if json.Valid([]byte(parameters)) && len(parameters) < maxMember {
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(parameters)); err != nil || !bytes.Equal(compact.Bytes(), got.RequestParameters) {
				t.Fatalf("got parameters %q, want %q", got.RequestParameters, &compact)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e := call("362da74b-62dc-4116-8785-e65cbacb52c3", true)
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = e.append(text[:0])
	}
}
