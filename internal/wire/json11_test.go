package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"latchkey/internal/fault"
	"latchkey/internal/wire"
)

const requestID = "362da74b-62dc-4116-8785-e65cbacb52c3"

// thrown is the exception in err, which has to be one.
func thrown(t *testing.T, err error) *fault.Error {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("no exception but %v", err)
	}
	return f
}

func TestTarget(t *testing.T) {
	const prefix = "DirectoryService_20150416."
	for _, test := range []struct {
		name, method, content string
		targets               []string
		want                  string
	}{
		{"of our own", "POST", wire.ContentType, []string{"Latchkey_20261101.CheckDirectory"}, "CheckDirectory"},
		{"of the other service", "POST", wire.ContentType, []string{"Latchkey_20261101.ResetUserPassword"}, ""},
		{"ours of the other service", "POST", wire.ContentType, []string{prefix + "CheckDirectory"}, ""},
		{"plain", "POST", wire.ContentType, []string{prefix + "ResetUserPassword"}, "ResetUserPassword"},
		{"charset", "POST", "application/x-amz-json-1.1; charset=utf-8", []string{prefix + "DescribeDirectories"}, "DescribeDirectories"},
		{"upper case type", "POST", "Application/X-Amz-JSON-1.1", []string{prefix + "DescribeDirectories"}, "DescribeDirectories"},
		{"get", "GET", wire.ContentType, []string{prefix + "ResetUserPassword"}, ""},
		{"put", "PUT", wire.ContentType, []string{prefix + "ResetUserPassword"}, ""},
		{"json", "POST", "application/json", []string{prefix + "ResetUserPassword"}, ""},
		{"json 1.0", "POST", "application/x-amz-json-1.0", []string{prefix + "ResetUserPassword"}, ""},
		{"no type", "POST", "", []string{prefix + "ResetUserPassword"}, ""},
		{"no target", "POST", wire.ContentType, nil, ""},
		{"empty target", "POST", wire.ContentType, []string{""}, ""},
		{"prefix only", "POST", wire.ContentType, []string{prefix}, ""},
		{"twice", "POST", wire.ContentType, []string{prefix + "ResetUserPassword", prefix + "DeleteDirectory"}, ""},
		{"other service", "POST", wire.ContentType, []string{"DynamoDB_20120810.ListTables"}, ""},
		{"no prefix", "POST", wire.ContentType, []string{"ResetUserPassword"}, ""},
		{"other case", "POST", wire.ContentType, []string{prefix + "resetUserPassword"}, ""},
		{"space", "POST", wire.ContentType, []string{prefix + "ResetUserPassword "}, ""},
		{"unknown", "POST", wire.ContentType, []string{prefix + "NoSuch"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "/", nil)
			r.Header.Set("Content-Type", test.content)
			r.Header["X-Amz-Target"] = test.targets
			service, got, err := wire.Target(r)
			if got != test.want {
				t.Errorf("the operation is %q", got)
			}
			if test.want != "" {
				if err != nil || service.Target(got) != test.targets[0] {
					t.Errorf("%v, %v", service, err)
				}
				return
			}
			if f := thrown(t, err); f.Code != fault.UnknownOperation || f.Message != "" || f.Err == nil {
				t.Errorf("answers %#v", f)
			}
		})
	}
}

func TestError(t *testing.T) {
	for _, test := range []struct {
		f      *fault.Error
		status int
		body   string
	}{
		{
			fault.New(fault.EntityDoesNotExist, "Directory d-1 <a&b> does not exist."), 400,
			`{"__type":"EntityDoesNotExistException","Message":"Directory d-1 <a&b> does not exist. : RequestId: ` + requestID + `","RequestId":"` + requestID + `"}`,
		},
		{
			fault.New(fault.Service, "x"), 500,
			`{"__type":"ServiceException","Message":"x : RequestId: ` + requestID + `","RequestId":"` + requestID + `"}`,
		},
		{
			fault.New(fault.Client, "a \"b\"\n\\"), 400,
			`{"__type":"ClientException","Message":"a \"b\"\n\\ : RequestId: ` + requestID + `","RequestId":"` + requestID + `"}`,
		},
		{
			fault.New(fault.Validation, "1 validation error detected"), 400,
			`{"__type":"ValidationException","message":"1 validation error detected"}`,
		},
		{fault.New(fault.AccessDenied, "User: x"), 400, `{"__type":"AccessDeniedException","Message":"User: x"}`},
		{fault.New(fault.Throttling, "Rate exceeded"), 400, `{"__type":"ThrottlingException","message":"Rate exceeded"}`},
		{fault.New(fault.UnknownOperation, ""), 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{fault.New(fault.UnknownOperation, "never shown"), 400, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`},
		{fault.New(fault.Serialization, ""), 400, `{"__type":"com.amazon.coral.service#SerializationException"}`},
		{
			fault.New(fault.Serialization, "Start of list found where not expected"), 400,
			`{"__type":"com.amazon.coral.service#SerializationException","Message":"Start of list found where not expected"}`,
		},
		{
			fault.New(fault.MissingAuthenticationToken, "Request is missing Authentication Token"), 400,
			`{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}`,
		},
		{fault.New(fault.InvalidSignature, "y"), 400, `{"__type":"InvalidSignatureException","message":"y"}`},
		{fault.New(fault.RequestTooLarge, "y"), 413, ``},
		{
			fault.New("NoSuchException", "an inner text"), 500,
			`{"__type":"ServiceException","Message":"An exception has occurred in AWS Directory Service. : RequestId: ` + requestID + `","RequestId":"` + requestID + `"}`,
		},
		{
			fault.New(fault.Conflict, "of the other service"), 500,
			`{"__type":"ServiceException","Message":"An exception has occurred in AWS Directory Service. : RequestId: ` + requestID + `","RequestId":"` + requestID + `"}`,
		},
	} {
		cause := test.f.Because(errors.New("an inner cause"))
		status, body := wire.DS.Error(wire.DS.Fault(cause), requestID)
		if status != test.status || string(body) != test.body {
			t.Errorf("%s: %d %s\nnot %d %s", test.f.Code, status, body, test.status, test.body)
		}
	}
}

func TestSyntax(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, test := range []struct {
		name, body string
		ok         bool
	}{
		{"empty", "", true},
		{"object", "{}", true},
		{"spaces", " \t\r\n{ \"a\" : [ 1 , -2.5e+3 , true , false , null , \"x\" ] } \n", true},
		{"scalar", "1", true},
		{"escapes", `{"a\"\\\/\b\f\n\r\t\u00e9":"\ud83d\ude00\uD83D\uDE00"}`, true},
		{"same name in two objects", `{"a":{"b":1},"c":{"b":1}}`, true},
		{"names of two cases", `{"a":1,"A":1}`, true},
		{"deep enough", deep(32), true},
		{"only spaces", "  ", false},
		{"byte order mark", "\ufeff{}", false},
		{"cut", `{"a":`, false},
		{"trailing comma", `{"a":1,}`, false},
		{"single quotes", `{'a':1}`, false},
		{"comment", `{} // x`, false},
		{"trailing data", `{}{}`, false},
		{"trailing letter", `{}x`, false},
		{"leading zero", `{"a":01}`, false},
		{"NaN", `{"a":NaN}`, false},
		{"control character", "{\"a\":\"\x01\"}", false},
		{"NUL at the end", "{}\x00", false},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", false},
		{"invalid UTF-8 in a name", "{\"\xc3\":1}", false},
		{"surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", false},
		{"high surrogate", `{"a":"\ud83d"}`, false},
		{"low surrogate", `{"a":"\ude00"}`, false},
		{"swapped surrogates", `{"a":"\ude00\ud83d"}`, false},
		{"high surrogate and a letter", `{"a":"\ud83dx12345"}`, false},
		{"high surrogate and another escape", `{"a":"\ud83d\u0041"}`, false},
		{"high surrogate in a name", `{"\ud83d":1}`, false},
		{"escaped backslash before u", `{"a":"\\ud83d"}`, true},
		{"name twice", `{"a":1,"a":1}`, false},
		{"name twice below", `[{"x":{"a":1,"b":2,"a":null}}]`, false},
		{"name twice with an escape", `{"a":1,"\u0061":2}`, false},
		{"too deep", deep(33), false},
		{"far too deep", deep(100_000), false},
		{"too deep in objects", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), false},
		{"brackets in a string", `{"a":"` + strings.Repeat("[", 100) + `"}`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := wire.Syntax([]byte(test.body))
			if test.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f := thrown(t, err); f.Code != fault.Serialization || f.Message != "" || f.Err == nil {
				t.Errorf("answers %#v", f)
			}
		})
	}
}

func TestOperations(t *testing.T) {
	for service, want := range map[*wire.Service]struct {
		count  int
		prefix string
	}{wire.DS: {80, "DirectoryService_20150416."}, wire.Latchkey: {19, "Latchkey_20261101."}} {
		all := service.Operations()
		if len(all) != want.count {
			t.Errorf("%s has %d operations", service.Name, len(all))
		}
		for _, op := range all {
			if len(op.Errors) == 0 {
				t.Errorf("%s declares no exception", op.Name)
			}
			for _, code := range op.Errors {
				if !fault.Modelled(service.Name, code) {
					t.Errorf("%s declares %s, which is not in the fault table", op.Name, code)
				}
			}
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Content-Type", wire.ContentType)
			r.Header.Set("X-Amz-Target", want.prefix+op.Name)
			if of, got, err := wire.Target(r); of != service || got != op.Name || err != nil {
				t.Errorf("%s is %q, %v", op.Name, got, err)
			}
		}
	}
	wire.DS.Operations()[0].Errors[0] = "changed"
	if wire.DS.Operations()[0].Errors[0] == "changed" {
		t.Error("the caller can change the table")
	}
}
