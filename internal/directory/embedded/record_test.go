package embedded

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecord(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	for name, attributes := range map[string]map[string][]string{
		"nothing":       {},
		"one":           {"cn": {"Jane"}},
		"several":       {"cn": {"Jane"}, "description": {"", "a", "\x00\xff"}, "objectClass": {"top", "person"}},
		"long":          {"jpegPhoto": {long, "b"}, long: {"value"}, "z": {"last"}},
		"many":          {"proxyAddresses": strings.Split(strings.Repeat("a,", 300), ","), "sn": {"Doe"}},
		"first of them": {"a": {"1"}, "ab": {"2"}, "b": {"3"}},
	} {
		t.Run(name, func(t *testing.T) {
			rdn, key := "CN=Jane Doe", ""
			r := newRecord(attributes, &rdn, &key)
			if rdn != "CN=Jane Doe" || key != "" {
				t.Errorf("the texts became %q and %q", rdn, key)
			}
			if difference := cmp.Diff(attributes, r.unpacked()); difference != "" {
				t.Error(difference)
			}
			for attributeName, values := range attributes {
				if difference := cmp.Diff(values, r.of(attributeName)); difference != "" || r.first(attributeName) != values[0] {
					t.Errorf("%s: first is %q; %s", attributeName, r.first(attributeName), difference)
				}
			}
			if r.of("absent") != nil || r.first("absent") != "" || r.first("") != "" {
				t.Error("an attribute that is not there has values")
			}
			if again := newRecord(attributes); again != r {
				t.Error("the same attributes are not packed the same way")
			}
		})
	}
	if r := newRecord(map[string][]string{"cn": nil}); r != (record{}) || len(r.unpacked()) != 0 {
		t.Error("an attribute without values is kept")
	}
}

func TestFoldText(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "a": "a", " ": "", "  ": "", "a b": "a b", "a  b": "a b", " a": "a", "a ": "a", "A b": "a b", "a b ": "a b", "Ä": "ä", "a   b c": "a b c",
	} {
		if got := foldText(value); got != want {
			t.Errorf("foldText(%q) = %q, want %q", value, got, want)
		}
		if isFolded(value) && want != value {
			t.Errorf("isFolded(%q)", value)
		}
	}
}
