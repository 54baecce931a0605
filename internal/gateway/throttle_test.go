package gateway

import (
	"strings"
	"testing"
)

// Names that find the same user have the same bucket.
func TestFold(t *testing.T) {
	for _, names := range [][]string{
		{"fresh", "FRESH", "freſh"},
		{"mike", "MIKE", "mi\u212Ae"}, // the sign of the kelvin
		{"σίσυφος", "ΣΊΣΥΦΟΣ", "ςίςυφοσ"},
		{"ångström", "ÅNGSTRÖM", "\u212Bngström"},
	} {
		for _, name := range names {
			if !strings.EqualFold(name, names[0]) {
				t.Fatalf("%q is not %q", name, names[0])
			}
			if foldName(name) != foldName(names[0]) {
				t.Errorf("%q has another bucket than %q", name, names[0])
			}
		}
	}
	if foldName("jane") == foldName("jané") {
		t.Error("two users share a bucket")
	}
}
