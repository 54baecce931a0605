package fault

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

type modelShape struct {
	Exception bool
	Fault     bool
	Error     struct {
		HTTPStatusCode int
	}
}

func exceptions(t *testing.T, file string) map[string]modelShape {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "wire", "model", file))
	if err != nil {
		t.Fatal(err)
	}
	var model struct{ Shapes map[string]modelShape }
	if err := json.Unmarshal(data, &model); err != nil {
		t.Fatal(err)
	}
	found := map[string]modelShape{}
	for name, shape := range model.Shapes {
		if shape.Exception {
			found[name] = shape
		}
	}
	return found
}

func TestTableHoldsTheModelsExceptions(t *testing.T) {
	for service, want := range map[string]struct {
		file  string
		count int
	}{"ds": {"ds.json", 40}, "latchkey": {"latchkey.json", 7}, "ds-data": {"dsdata.json", 7}, "cloudtrail": {"cloudtrail.json", 7}} {
		model := exceptions(t, want.file)
		if len(model) != want.count {
			t.Errorf("the model of %s has %d exceptions, not %d", service, len(model), want.count)
		}
		for code, shape := range model {
			status := shape.Error.HTTPStatusCode
			if status == 0 {
				status = 400
				if shape.Fault {
					status = 500
				}
			}
			if !Modelled(service, code) {
				t.Errorf("%s: %s is in the model and not in the table", service, code)
			}
			if got := Status(service, code); got != status {
				t.Errorf("%s: %s has status %d, not %d", service, code, got, status)
			}
		}
		for code := range modelled[service] {
			if _, ok := model[code]; !ok {
				t.Errorf("%s: %s is in the table and not in the model", service, code)
			}
		}
	}
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		service, code string
		want          int
	}{
		{"ds", Service, 500},
		{"ds", Client, 400},
		{"ds", EntityDoesNotExist, 400},
		{"ds", EntityAlreadyExists, 400},
		{"ds", DirectoryUnavailable, 400},
		{"ds", InvalidPassword, 400},
		{"ds", UnsupportedOperation, 400},
		{"ds", UserDoesNotExist, 400},
		{"ds", InvalidParameter, 400},
		{"ds", InvalidNextToken, 400},
		{"ds", DirectoryLimitExceeded, 400},
		{"ds", AccessDenied, 400},
		{"ds", Validation, 400},
		{"ds", Throttling, 400},
		{"ds", UnknownOperation, 400},
		{"ds", Serialization, 400},
		{"ds", MissingAuthenticationToken, 400},
		{"ds", InvalidSignature, 400},
		{"ds", RequestTooLarge, 413},
		{"ds", ServiceUnavailable, 503},
		{"ds", Conflict, 500},
		{"ds", "NoSuchException", 500},
		{"ds-data", AccessDenied, 403},
		{"ds-data", Conflict, 409},
		{"ds-data", ResourceNotFound, 404},
		{"ds-data", Throttling, 429},
		{"ds-data", InternalServer, 500},
		{"ds-data", DirectoryUnavailable, 400},
		{"ds-data", MissingAuthenticationToken, 403},
		{"ds-data", IncompleteSignature, 403},
		{"ds-data", InvalidSignature, 403},
		{"ds-data", UnrecognizedClient, 403},
		{"ds-data", ExpiredToken, 403},
		{"ds-data", InvalidPassword, 500},
	} {
		if got := Status(test.service, test.code); got != test.want {
			t.Errorf("Status(%q, %q) = %d, not %d", test.service, test.code, got, test.want)
		}
	}
}

func TestFrameworkForms(t *testing.T) {
	for code, want := range map[string]struct{ kind, key string }{
		UnknownOperation:           {"com.amazon.coral.service#UnknownOperationException", ""},
		Serialization:              {"com.amazon.coral.service#SerializationException", "Message"},
		MissingAuthenticationToken: {"com.amazon.coral.service#MissingAuthenticationTokenException", "message"},
		InvalidSignature:           {"InvalidSignatureException", "message"},
		Validation:                 {"ValidationException", "message"},
		AccessDenied:               {"AccessDeniedException", "Message"},
		RequestTooLarge:            {"", ""},
	} {
		form, ok := Framework(code)
		if !ok || form.Type != want.kind || form.MessageKey != want.key {
			t.Errorf("Framework(%q) = %+v, %v", code, form, ok)
		}
	}
	if _, ok := Framework(EntityDoesNotExist); ok {
		t.Error("a service's own exception has a form of the framework")
	}
}
