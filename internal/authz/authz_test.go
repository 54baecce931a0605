package authz

import (
	"errors"
	"testing"

	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

func TestDecide(t *testing.T) {
	arn := DirectoryARN("aws", "us-east-1", "123456789012", "d-1234567890")
	if want := "arn:aws:ds:us-east-1:123456789012:directory/d-1234567890"; arn != want {
		t.Fatalf("DirectoryARN: got %s, want %s", arn, want)
	}
	if err := Decide(identity.Root("aws", "123456789012", "AKIAEXAMPLE"), "ds:ResetUserPassword", arn); err != nil {
		t.Errorf("the root was denied: %v", err)
	}

	anna := identity.Principal{Type: "IAMUser", Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/anna", UserName: "anna"}
	for resource, printed := range map[string]string{arn: arn, "": "*", Any: "*"} {
		err := Decide(anna, "ds:ResetUserPassword", resource)
		var denied *fault.Error
		if !errors.As(err, &denied) {
			t.Fatalf("got %v, want a fault", err)
		}
		want := "User: arn:aws:iam::123456789012:user/anna is not authorized to perform: ds:ResetUserPassword on resource: " +
			printed + " because no identity-based policy allows the ds:ResetUserPassword action"
		if denied.Code != fault.AccessDenied || denied.Message != want {
			t.Errorf("got %s %q, want %s %q", denied.Code, denied.Message, fault.AccessDenied, want)
		}
	}
	if err := Decide(identity.Principal{}, "ds:ResetUserPassword", arn); err == nil {
		t.Error("nobody at all was allowed")
	}
}
