package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/dsdata"
	"latchkey/internal/fault"
	"latchkey/internal/wire"
)

func TestRestTarget(t *testing.T) {
	for _, c := range []struct {
		method, target, media, body string
		operation, code             string
	}{
		{"POST", "/Users/CreateUser?DirectoryId=d-1234567890", "application/json", "{}", "CreateUser", ""},
		{"POST", "/Users/CreateUser", "application/json; charset=utf-8", "{}", "CreateUser", ""},
		{"POST", "/Groups/ListGroups?DirectoryId=d-1234567890", "", "", "ListGroups", ""},
		{"GET", "/Users/CreateUser", "application/json", "", "", fault.UnknownOperation},
		{"POST", "/users/createuser", "application/json", "{}", "", fault.UnknownOperation},
		{"POST", "/Users/CreateUser/", "application/json", "{}", "", fault.UnknownOperation},
		{"POST", "/Users/CreateUser", "text/plain", "{}", "", fault.UnsupportedMediaType},
	} {
		r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.media)
		service, operation, err := wire.Target(r)
		code := ""
		if err != nil {
			code = fault.From(err).Code
		}
		if operation != c.operation || code != c.code || err == nil && service != wire.DSData {
			t.Errorf("%s %s: %s, %v", c.method, c.target, operation, err)
		}
	}
}

// A request of REST is its query and its body, unions and maps in it.
func TestRestDecode(t *testing.T) {
	query := url.Values{"DirectoryId": {"d-1234567890"}, "Colour": {"red"}}
	decode := func(body string) (*dsdata.CreateUserRequest, error) {
		in := new(dsdata.CreateUserRequest)
		return in, wire.DSData.Decode("CreateUser", query, []byte(body), in)
	}
	in, err := decode(`{"DirectoryId": "d-ffffffffff", "SAMAccountName": "jane", "GivenName": null,
		"OtherAttributes": {"title": {"S": "Dr."}, "pager": {"SS": ["1", "2"]}, "x": {"N": 7}, "y": {"BOOL": false, "S": null}, "z": null}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := &dsdata.CreateUserRequest{
		DirectoryId: new("d-1234567890"), SAMAccountName: new("jane"),
		OtherAttributes: map[string]dsdata.AttributeValue{"title": {S: new("Dr.")}, "pager": {SS: []string{"1", "2"}}, "x": {N: new(int64(7))}, "y": {BOOL: new(false)}},
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Error(diff)
	}
	for body, said := range map[string]string{
		`{"SAMAccountName": "jane", "OtherAttributes": {"title": {}}}`:                 "SerializationException",
		`{"SAMAccountName": "jane", "OtherAttributes": {"title": {"S": "a", "N": 1}}}`: "SerializationException",
		`{"SAMAccountName": "jane", "OtherAttributes": []}`:                            "SerializationException",
		`{"SAMAccountName": "jane", "OtherAttributes": {}}`:                            "at 'otherAttributes' failed to satisfy constraint: Member must have length greater than or equal to 1",
		`{"SAMAccountName": "jane", "OtherAttributes": {"a b": {"S": "x"}}}`:           "Map keys must satisfy constraint: [",
		`{"SAMAccountName": "jane", "OtherAttributes": {"title": {"S": ""}}}`:          "at 'otherAttributes.title.member.s' failed to satisfy constraint: Member must have length greater than or equal to 1",
		`{"GivenName": "x"}`: "Value null at 'sAMAccountName'",
	} {
		_, err := decode(body)
		if err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := wire.DSData.Decode("ListUsers", nil, nil, new(dsdata.ListUsersRequest)); err == nil || !strings.Contains(err.Error(), "Value null at 'directoryId'") {
		t.Errorf("no query: %v", err)
	}
	if got := wire.DSData.Redact("CreateUser", &dsdata.CreateUserRequest{DirectoryId: new("d-1"), Surname: new("Doe"), OtherAttributes: want.OtherAttributes}); !cmp.Equal(got, map[string]any{
		"directoryId": "d-1", "surname": "HIDDEN_DUE_TO_SECURITY_REASONS",
		"otherAttributes": map[string]any{
			"title": map[string]any{"s": "HIDDEN_DUE_TO_SECURITY_REASONS"}, "pager": map[string]any{"sS": "HIDDEN_DUE_TO_SECURITY_REASONS"},
			"x": map[string]any{"n": "HIDDEN_DUE_TO_SECURITY_REASONS"}, "y": map[string]any{"bOOL": "HIDDEN_DUE_TO_SECURITY_REASONS"},
		},
	}) {
		t.Errorf("in the audit trail: %v", got)
	}
}

func TestRestAnswers(t *testing.T) {
	body, err := wire.DSData.Encode("DescribeUser", &dsdata.DescribeUserResult{
		Enabled: new(false), GivenName: new("Jane"), OtherAttributes: map[string]dsdata.AttributeValue{"pager": {SS: []string{"1"}}, "title": {S: new("Dr.")}},
	})
	if want := `{"Enabled":false,"GivenName":"Jane","OtherAttributes":{"pager":{"SS":["1"]},"title":{"S":"Dr."}}}`; err != nil || string(body) != want {
		t.Errorf("%s, %v", body, err)
	}
	if body, err := wire.DSData.Encode("DeleteUser", &dsdata.DeleteUserResult{}); err != nil || string(body) != "{}" {
		t.Errorf("without members: %s, %v", body, err)
	}
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{&fault.Error{Code: fault.AccessDenied, Message: "x", Reason: "DATA_DISABLED"}, http.StatusForbidden, `{"Message":"x","Reason":"DATA_DISABLED"}`},
		{fault.New(fault.Conflict, "x"), http.StatusConflict, `{"Message":"x"}`},
		{fault.New(fault.InvalidSignature, "x"), http.StatusForbidden, `{"Message":"x"}`},
		{fault.New(fault.EntityDoesNotExist, "of the other service"), http.StatusInternalServerError, `{"Message":"An internal error has occurred."}`},
		{errors.New("inner"), http.StatusInternalServerError, `{"Message":"An internal error has occurred."}`},
	} {
		if status, body := wire.DSData.Error(wire.DSData.Fault(c.err), "id"); status != c.status || string(body) != c.body {
			t.Errorf("%v: %d %s", c.err, status, body)
		}
	}
}
