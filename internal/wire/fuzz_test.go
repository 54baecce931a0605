package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"latchkey/internal/fault"
	"latchkey/internal/wire"
)

const marker = "s3cr3t-m4rker"

// plant replaces every sensitive member of a request, by its name, at any depth.
func plant(value any, sensitive map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			if sensitive[name] {
				switch inner.(type) {
				case []any:
					value[name] = []any{marker}
				case map[string]any:
					value[name] = map[string]any{marker: marker}
				default:
					value[name] = marker
				}
				continue
			}
			plant(inner, sensitive)
		}
	case []any:
		for _, inner := range value {
			plant(inner, sensitive)
		}
	}
}

func FuzzDecode(f *testing.F) {
	type call struct {
		service *wire.Service
		op      wire.Operation
	}
	var calls []call
	sensitive := map[string]bool{"NewPassword": true, "Password": true, "TrustPassword": true, "SharedSecret": true, "ShareNotes": true}
	index := map[string]uint8{}
	for service, op := range everyOperation() {
		index[op.Name] = uint8(len(calls))
		calls = append(calls, call{service, op})
	}
	for _, seed := range []struct{ op, body string }{
		{"ResetUserPassword", ``},
		{"ResetUserPassword", `{}`},
		{"ResetUserPassword", `null`},
		{"ResetUserPassword", `[]`},
		{"ResetUserPassword", `{"DirectoryId":"d-0123456789","UserName":"jdoe","NewPassword":"\ud83d\ude00Passw0rd"}`},
		{"ResetUserPassword", `{"DirectoryId":"zz","UserName":"a@b","NewPassword":["x"]}`},
		{"ResetUserPassword", `{"NewPassword":"\ud83d"}`},
		{"ResetUserPassword", `{"NewPassword":"x","NewPassword":"y"}`},
		{"CreateDirectory", `{"Name":"corp.example.com","Size":"Tiny","Password":"x","Tags":[{"Key":"a"},null],"VpcSettings":{"VpcId":1}}`},
		{"EnableRadius", `{"DirectoryId":"d-0123456789","RadiusSettings":{"SharedSecret":"x","RadiusPort":1e3}}`},
		{"StartADAssessment", `{"AssessmentConfiguration":{"CustomerDnsIps":["10.0.0.1",null],"InstanceIds":[]}}`},
		{"DescribeDirectories", `{"DirectoryIds":["x",null],"Limit":-1.5}`},
		{"AttachDirectory", `{"Name":"corp.example.com","Type":"AD","Urls":["ldaps://dc1",null],"Discover":"true","CaFile":"ca.pem"}`},
		{"DescribeDirectories", `{"x":[[[[[[{"a\u0062":[]}]]]]]]}`},
	} {
		f.Add(index[seed.op], []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, number uint8, body []byte) {
		service, op := calls[int(number)%len(calls)].service, calls[int(number)%len(calls)].op
		check(t, service, op, body)
		if strings.Contains(string(body), marker) {
			return
		}
		var value any
		if json.Unmarshal(body, &value) != nil {
			return
		}
		plant(value, sensitive)
		planted, err := json.Marshal(value)
		if err != nil {
			return
		}
		if err := check(t, service, op, planted); err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("%s: the error shows the secret: %v", op.Name, err)
		}
	})
}

// check decodes a body, fails for an error that is not one of the two a body can cause, and writes what was read back.
func check(t *testing.T, service *wire.Service, op wire.Operation, body []byte) error {
	in := newShape[op.Input]()
	before := bytes.Clone(body)
	err := service.Decode(op.Name, nil, body, in)
	if !bytes.Equal(before, body) {
		t.Errorf("%s: the body is changed", op.Name)
	}
	service.Redact(op.Name, in)
	if err != nil {
		if code := fault.From(err).Code; code != fault.Serialization && code != fault.Validation {
			t.Errorf("%s: %v", op.Name, err)
		}
		if _, answer := service.Error(service.Fault(err), "id"); !json.Valid(answer) {
			t.Errorf("%s: the answer is no JSON: %s", op.Name, answer)
		}
	}
	if syntax := wire.Syntax(body); syntax == nil && len(body) > 0 && !json.Valid(body) {
		t.Errorf("%q passes as JSON", body)
	} else if syntax != nil && err == nil {
		t.Errorf("%q is decoded against its syntax", body)
	}
	return err
}
