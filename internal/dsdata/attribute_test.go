package dsdata

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// FuzzFilter: whatever is searched for, the filter is one, of the attributes that were named and the class.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"jane", "*", "**", "a*b", ")(uid=*", "\\2a", "\x00", "ü", "(", "\xff"} {
		f.Add(seed)
	}
	by, err := named(directory.Users, []string{"sn", "sAMAccountName"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sought string) {
		made, err := filter(directory.Users, sought, by)
		if err != nil {
			t.Fatal(err)
		}
		packet, err := ldap.CompileFilter(made)
		if err != nil {
			t.Fatalf("%q: %v", made, err)
		}
		if len(packet.Children) != 2 || packet.Tag != ldap.FilterAnd || packet.Children[0].Tag != ldap.FilterOr || len(packet.Children[0].Children) != 2 {
			t.Errorf("%q is of another form", made)
		}
		for _, part := range packet.Children[0].Children {
			switch part.Tag {
			case ldap.FilterEqualityMatch:
			case ldap.FilterSubstrings, ldap.FilterPresent:
				if !strings.Contains(sought, "*") {
					t.Errorf("%q finds parts", sought)
				}
			default:
				t.Errorf("%q has a part of the kind %d", made, part.Tag)
			}
		}
	})
}

// TestAttributes: every attribute has a class, and what can be written or searched is of the classes that can have it.
func TestAttributes(t *testing.T) {
	for key, a := range attributes {
		if key != strings.ToLower(a.name) || !a.users && !a.groups {
			t.Errorf("%+v is of nobody", a)
		}
		if a.searchable && a.form != text && a.form != texts {
			t.Errorf("%s: only texts can be searched", a.name)
		}
	}
	for alias, name := range aliases {
		if _, taken := attributes[alias]; taken || attributes[name].name == "" {
			t.Errorf("the alias %s of %s", alias, name)
		}
	}
}
