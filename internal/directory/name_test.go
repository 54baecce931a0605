package directory_test

import (
	"errors"
	"strings"
	"testing"

	"latchkey/internal/directory"
)

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"corp.example.com": true, "a.b": true, "1.2": true, "a-b.c-d": true, strings.Repeat("a", 62) + ".b": true,
		"": false, "corp": false, "corp.": false, ".corp": false, "-a.b": false, "a-.b": false, "a..b": false, "a_b.c": false, "A.b": false, "ä.b": false,
		strings.Repeat("a", 63) + ".b": false,
	} {
		if err := directory.CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, good := range map[string]bool{
		"CORP": true, "A": true, "A1": true, "A-B_C": true, strings.Repeat("A", 15): true,
		"": false, "corp": false, "-A": false, "A-": false, "A B": false, "A.B": false, "123": false, "Ä": false, `A"B`: false, "A<B": false,
		strings.Repeat("A", 16): false, "BUILTIN": false, "USERS": false,
	} {
		if err := directory.CheckShortName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := directory.CheckShortName("BUILTIN"); !errors.Is(err, directory.ErrReservedName) || err.Error() != "BUILTIN is a reserved name" {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"corp.example.com": "CORP", "x.y": "X", "abcdefghijklmnopq.example.com": "ABCDEFGHIJKLMNO", "abcdefghijklmn-op.example.com": "ABCDEFGHIJKLMN",
	} {
		if got := directory.DefaultShortName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
