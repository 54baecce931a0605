package wire_test

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"

	"latchkey/internal/ds"
	"latchkey/internal/fault"
	"latchkey/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// inputs is each operation's request shape.
func inputs() map[string]string {
	names := map[string]string{}
	for _, op := range wire.DS.Operations() {
		names[op.Name] = op.Input
	}
	return names
}

func decode(op, body string) (any, error) {
	in := newShape[inputs()[op]]()
	return in, wire.DS.Decode(op, nil, []byte(body), in)
}

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name, op, body string
		want           any
	}{
		{"empty body", "DescribeDirectories", "", &ds.DescribeDirectoriesRequest{}},
		{"empty object", "DescribeDirectories", " {} ", &ds.DescribeDirectoriesRequest{}},
		{"null", "DescribeDirectories", "null", &ds.DescribeDirectoriesRequest{}},
		{"null members", "DescribeDirectories", `{"Limit":null,"DirectoryIds":null}`, &ds.DescribeDirectoriesRequest{}},
		{"no members", "GetDirectoryLimits", `{"x":1}`, &ds.GetDirectoryLimitsRequest{}},
		{"empty list", "DescribeDirectories", `{"DirectoryIds":[]}`, &ds.DescribeDirectoriesRequest{DirectoryIds: []string{}}},
		{
			"list", "DescribeDirectories", `{"Limit":0,"DirectoryIds":["d-0123456789","d-9067e0513b"],"NextToken":""}`,
			&ds.DescribeDirectoriesRequest{Limit: new(int32(0)), DirectoryIds: []string{"d-0123456789", "d-9067e0513b"}, NextToken: new("")},
		},
		{"whole numbers", "DescribeDirectories", `{"Limit":1.0e1}`, &ds.DescribeDirectoriesRequest{Limit: new(int32(10))}},
		{
			"password", "ResetUserPassword", `{"NewPassword":"S\u0065cr\u00e9t \"\\\/\ud83d\ude00","UserName":"j\u0064oe","DirectoryId":"d-0123456789"}`,
			&ds.ResetUserPasswordRequest{
				DirectoryId: new("d-0123456789"), UserName: new("jdoe"), NewPassword: wire.NewSecret([]byte("Secrét \"\\/😀")),
			},
		},
		{
			"escaped name", "ResetUserPassword", `{"New\u0050assword":"x","UserName":"jdoe","DirectoryId":"d-0123456789"}`,
			&ds.ResetUserPasswordRequest{
				DirectoryId: new("d-0123456789"), UserName: new("jdoe"), NewPassword: wire.NewSecret([]byte("x")),
			},
		},
		{
			"unknown members", "DescribeDirectories", `{"limit":"x","Unknown":{"a":[{"b":"}"}]},"Limit":3}`,
			&ds.DescribeDirectoriesRequest{Limit: new(int32(3))},
		},
		{
			"structures", "AddTagsToResource", `{"ResourceId":"d-0123456789","Tags":[{"Key":"a","Value":""},{"Value":"ß","Key":"b"}]}`,
			&ds.AddTagsToResourceRequest{
				ResourceId: new("d-0123456789"), Tags: []ds.Tag{{Key: new("a"), Value: new("")}, {Key: new("b"), Value: new("ß")}},
			},
		},
		{
			"boolean", "DeleteTrust", `{"TrustId":"t-0123456789","DeleteAssociatedConditionalForwarder":true}`,
			&ds.DeleteTrustRequest{TrustId: new("t-0123456789"), DeleteAssociatedConditionalForwarder: new(true)},
		},
		{
			"nested secret", "EnableRadius", `{"DirectoryId":"d-0123456789","RadiusSettings":{"SharedSecret":"12345678","RadiusPort":1812}}`,
			&ds.EnableRadiusRequest{
				DirectoryId: new("d-0123456789"),
				RadiusSettings: &ds.RadiusSettings{
					RadiusPort: new(int32(1812)), SharedSecret: wire.NewSecret([]byte("12345678")),
				},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := decode(test.op, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeTypes(t *testing.T) {
	const list, object, other = "Start of list found where not expected", "Start of structure or map found where not expected", "Unexpected field type"
	for _, test := range []struct{ op, body, want string }{
		{"DescribeDirectories", `[]`, list},
		{"DescribeDirectories", `"x"`, other},
		{"DescribeDirectories", `1`, other},
		{"DescribeDirectories", `true`, other},
		{"DescribeDirectories", `{"DirectoryIds":"d-0123456789"}`, other},
		{"DescribeDirectories", `{"DirectoryIds":{}}`, object},
		{"DescribeDirectories", `{"DirectoryIds":[1]}`, "NUMBER_VALUE can not be converted to String"},
		{"DescribeDirectories", `{"DirectoryIds":[["d-0123456789"]]}`, list},
		{"DescribeDirectories", `{"NextToken":1}`, "NUMBER_VALUE can not be converted to String"},
		{"DescribeDirectories", `{"NextToken":-1}`, "NUMBER_VALUE can not be converted to String"},
		{"DescribeDirectories", `{"NextToken":true}`, "TRUE_VALUE can not be converted to String"},
		{"DescribeDirectories", `{"NextToken":false}`, "FALSE_VALUE can not be converted to String"},
		{"DescribeDirectories", `{"NextToken":[]}`, list},
		{"DescribeDirectories", `{"NextToken":{}}`, object},
		{"DescribeDirectories", `{"Limit":"1"}`, "STRING_VALUE can not be converted to Integer"},
		{"DescribeDirectories", `{"Limit":1.5}`, "NUMBER_VALUE can not be converted to Integer"},
		{"DescribeDirectories", `{"Limit":2147483648}`, "NUMBER_VALUE can not be converted to Integer"},
		{"DescribeDirectories", `{"Limit":1e400}`, "NUMBER_VALUE can not be converted to Integer"},
		{"DescribeDirectories", `{"Limit":-99999999999999999999}`, "NUMBER_VALUE can not be converted to Integer"},
		{"DescribeDirectories", `{"Limit":true}`, "TRUE_VALUE can not be converted to Integer"},
		{"DeleteTrust", `{"DeleteAssociatedConditionalForwarder":"true"}`, "STRING_VALUE can not be converted to Boolean"},
		{"DeleteTrust", `{"DeleteAssociatedConditionalForwarder":1}`, "NUMBER_VALUE can not be converted to Boolean"},
		{"DeleteTrust", `{"DeleteAssociatedConditionalForwarder":[]}`, list},
		{"AddTagsToResource", `{"Tags":[[]]}`, list},
		{"AddTagsToResource", `{"Tags":["a"]}`, other},
		{"CreateDirectory", `{"VpcSettings":[]}`, list},
		{"CreateDirectory", `{"VpcSettings":"x"}`, other},
		{"ResetUserPassword", `{"NewPassword":12345}`, "NUMBER_VALUE can not be converted to String"},
		{"ResetUserPassword", `{"NewPassword":["hunter2"]}`, list},
		{"ResetUserPassword", `{"NewPassword":{"a":"hunter2"}}`, object},
	} {
		_, err := decode(test.op, test.body)
		f := thrown(t, err)
		if f.Code != fault.Serialization || f.Message != test.want {
			t.Errorf("%s: %s %q, not %q", test.body, f.Code, f.Message, test.want)
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "12345") {
			t.Errorf("%s: the error shows the password: %v", test.body, err)
		}
	}
}

func TestDecodeChecksTheSyntaxAgain(t *testing.T) {
	for _, body := range []string{`{`, `{"Limit":1,"Limit":2}`, "{\"NextToken\":\"\xff\"}"} {
		_, err := decode("DescribeDirectories", body)
		if f := thrown(t, err); f.Code != fault.Serialization || f.Message != "" {
			t.Errorf("%q: answers %#v", body, f)
		}
	}
}

func TestDecodeWipesSecretsItRefuses(t *testing.T) {
	for _, body := range []string{
		`{"NewPassword":"hunter2","UserName":1}`,
		`{"NewPassword":"hunter2","UserName":"a@b","DirectoryId":"d-0123456789"}`,
	} {
		in := new(ds.ResetUserPasswordRequest)
		if err := wire.DS.Decode("ResetUserPassword", nil, []byte(body), in); err == nil {
			t.Fatalf("%s is accepted", body)
		}
		if len(in.NewPassword.Bytes()) != 0 || in.NewPassword.IsZero() {
			t.Errorf("%s: the secret is not wiped", body)
		}
	}
}

func TestSecretHasItsOwnMemory(t *testing.T) {
	body := []byte(`{"NewPassword":"hunter2","UserName":"jdoe","DirectoryId":"d-0123456789"}`)
	in := new(ds.ResetUserPasswordRequest)
	if err := wire.DS.Decode("ResetUserPassword", nil, body, in); err != nil {
		t.Fatal(err)
	}
	clear(body)
	if got := string(in.NewPassword.Bytes()); got != "hunter2" {
		t.Errorf("the secret is %q once the body is wiped", got)
	}
	secret := in.NewPassword
	wire.DS.Wipe("ResetUserPassword", in)
	if len(secret.Bytes()) != 0 {
		t.Error("Wipe leaves the secret")
	}
}

func TestDecodeRefusesWhatDoesNotFitTheModel(t *testing.T) {
	for name, test := range map[string]struct {
		op string
		in any
	}{
		"unknown operation": {"NoSuch", new(ds.DeleteTrustRequest)},
		"another request":   {"ResetUserPassword", new(ds.DeleteTrustRequest)},
		"no pointer":        {"DeleteTrust", ds.DeleteTrustRequest{}},
		"nil":               {"DeleteTrust", nil},
		"nil pointer":       {"DeleteTrust", (*ds.DeleteTrustRequest)(nil)},
		"password as string": {"ResetUserPassword", new(struct {
			DirectoryId, UserName, NewPassword *string
		})},
		"no way to be absent": {"CreateAlias", new(struct{ Alias, DirectoryId string })},
		"another field":       {"CreateAlias", new(struct{ Alias, Directory *string })},
		"a field too many":    {"CreateAlias", new(struct{ Alias, DirectoryId, More *string })},
	} {
		err := wire.DS.Decode(test.op, nil, []byte("{}"), test.in)
		if err == nil || fault.From(err).Code != fault.Service {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// everyOperation is the operations of all services.
func everyOperation() iter.Seq2[*wire.Service, wire.Operation] {
	return func(yield func(*wire.Service, wire.Operation) bool) {
		for _, service := range []*wire.Service{wire.DS, wire.Latchkey} {
			for _, op := range service.Operations() {
				if !yield(service, op) {
					return
				}
			}
		}
	}
}

func TestEveryOperationFitsItsShapes(t *testing.T) {
	for service, op := range everyOperation() {
		in := newShape[op.Input]()
		if err := service.Decode(op.Name, nil, []byte("{}"), in); err != nil {
			if f := thrown(t, err); f.Code != fault.Validation {
				t.Errorf("%s: %v", op.Name, err)
			}
		}
		out := newShape[op.Output]()
		body, err := service.Encode(op.Name, out)
		want := "{}"
		if reflect.TypeOf(out).Elem().NumField() == 0 {
			want = ""
		}
		if err != nil || string(body) != want {
			t.Errorf("%s: encodes %q, %v", op.Name, body, err)
		}
	}
}

// fill sets every member, lists and maps with one item, and gives the number of secrets.
func fill(v reflect.Value) int {
	switch v.Interface().(type) {
	case wire.Secret:
		v.Set(reflect.ValueOf(wire.NewSecret([]byte("hunter2"))))
		return 1
	case wire.Timestamp:
		return 0
	}
	secrets := 0
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			secrets += fill(field)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		secrets = fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.Zero(v.Type().Elem()))
	case reflect.String:
		v.SetString("text")
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	}
	return secrets
}

func TestNothingShowsASecret(t *testing.T) {
	total := 0
	for service, op := range everyOperation() {
		in, out := newShape[op.Input](), newShape[op.Output]()
		secrets := fill(reflect.ValueOf(in).Elem())
		total += secrets
		fill(reflect.ValueOf(out).Elem())
		for _, text := range []string{
			fmt.Sprintf("%v %+v %#v", in, in, in), fmt.Sprint(service.Redact(op.Name, in)), fmt.Sprint(service.RedactResult(op.Name, out)),
		} {
			if strings.Contains(text, "hunter2") {
				t.Errorf("%s shows %s", op.Name, text)
			}
		}
		if got := strings.Count(fmt.Sprint(service.Redact(op.Name, in)), "HIDDEN_DUE_TO_SECURITY_REASONS"); got != secrets {
			t.Errorf("%s: %d of %d secrets are named", op.Name, got, secrets)
		}
		service.Wipe(op.Name, in)
		if left := len(fmt.Sprint(service.Redact(op.Name, in))); left == 0 {
			t.Errorf("%s: nothing is left after wiping", op.Name)
		}
	}
	if total != 11 {
		t.Errorf("the requests have %d secrets, not 11", total)
	}
}

func BenchmarkDecodeEmpty(b *testing.B) {
	b.ReportAllocs()
	body := []byte("{}")
	for b.Loop() {
		if err := wire.DS.Decode("DescribeDirectories", nil, body, new(ds.DescribeDirectoriesRequest)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeReset(b *testing.B) {
	b.ReportAllocs()
	body := []byte(`{"DirectoryId":"d-0123456789","UserName":"jdoe","NewPassword":"Passw0rd!"}`)
	for b.Loop() {
		if err := wire.DS.Decode("ResetUserPassword", nil, body, new(ds.ResetUserPasswordRequest)); err != nil {
			b.Fatal(err)
		}
	}
}
