package embedded

import (
	"strings"
	"testing"
)

// TestSchema: the tables hold together.
func TestSchema(t *testing.T) {
	s := newSchema()
	for _, c := range s.everyClass() {
		for _, superior := range c.superiors {
			if s.class(superior) == nil {
				t.Errorf("%s may be below %s, which does not exist", c.name, superior)
			}
		}
		if rdn := s.attribute(c.rdn); rdn == nil {
			t.Errorf("%s is named by %s, which does not exist", c.name, c.rdn)
		}
		if top := c.chain[0]; top != "top" {
			t.Errorf("%s is derived from %s", c.name, top)
		}
		if s.class(c.oid) != c {
			t.Errorf("%s is not found by %s", c.name, c.oid)
		}
	}
	for _, a := range s.everyAttribute() {
		if ldapSyntaxes[a.form] == "" {
			t.Errorf("%s has the unknown syntax %s", a.name, a.form)
		}
		if a.link && s.attribute(a.back) != nil && s.attribute(a.back).front != a.name {
			t.Errorf("%s and %s do not know each other", a.name, a.back)
		}
		if a.low > a.high {
			t.Errorf("%s: %d to %d", a.name, a.low, a.high)
		}
	}
	if len(s.everyAttribute()) != strings.Count(attributeTable, "\n") || len(s.everyClass()) != strings.Count(classTable, "\n") {
		t.Errorf("%d attributes and %d classes of %d and %d", len(s.everyAttribute()), len(s.everyClass()), strings.Count(attributeTable, "\n"), strings.Count(classTable, "\n"))
	}
}

// TestSecretsAreNotKept: attributes that other directories keep passwords in are neither written nor read here.
func TestSecretsAreNotKept(t *testing.T) {
	s := newSchema()
	for _, name := range []string{"unicodePwd", "userPassword", "unixUserPassword", "dBCSPwd", "supplementalCredentials", "ntPwdHistory", "lmPwdHistory", "msDS-ManagedPassword", "trustAuthOutgoing"} {
		if a := s.attribute(name); a == nil || !a.unkept {
			t.Errorf("%s is kept", name)
		}
	}
}
