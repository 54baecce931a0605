package directory_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"latchkey/internal/directory"
)

// MS-SAMR section 3.1.1.7.2, and Microsoft's page on complexity.
func TestPasswordRules(t *testing.T) {
	plain := directory.DefaultPasswordSettings()
	simple := plain
	simple.Complexity = false
	empty := simple
	empty.MinLength = 0
	for _, c := range []struct {
		password, account, display string
		settings                   directory.PasswordSettings
		want                       string // a part of the refusal; "" when it is good
	}{
		{"Passw0r", "x", "", plain, ""},
		{"Passw0", "x", "", plain, "too short"},
		{"aB3😀😀", "x", "", plain, ""}, // seven UTF-16 code units
		{"aB3😀é", "x", "", plain, "too short"},
		{"ÄÖÜäöü1", "x", "", plain, ""},
		{"abcdefg", "x", "", plain, "1 kinds"},
		{"abcdefG", "x", "", plain, "2 kinds"},
		{"abcdef1", "x", "", plain, "2 kinds"},
		{"abcdef1G", "x", "", plain, ""},
		{"abcdef!G", "x", "", plain, ""},
		{"abcdef1!", "x", "", plain, ""},
		{"ABCDEF1!", "x", "", plain, ""},
		{"abcdef G", "x", "", plain, "2 kinds"}, // a space is of no kind
		{"abcdef€G", "x", "", plain, "2 kinds"},
		{"abcdef😀G", "x", "", plain, "2 kinds"},
		{"abcdef\tG", "x", "", plain, "2 kinds"},
		{"abcdef漢G", "x", "", plain, ""}, // a letter that is neither upper nor lower
		{"漢漢漢漢漢a1", "x", "", plain, ""},
		{"ΑΒΓαβγ1", "x", "", plain, ""},
		{"АБВабв1", "x", "", plain, ""},
		{"abcdef٣G", "x", "", plain, "2 kinds"}, // digits are 0 to 9
		{"xxJANE123!", "jane", "", plain, "sAMAccountName"},
		{"Jane-1234", "JANE", "", plain, "sAMAccountName"},
		{"xxJo1234!", "jo", "", plain, ""}, // a name of two characters is not looked at
		{"xxJoe1234!", "joe", "", plain, "sAMAccountName"},
		{"xxJan1234!", "jane", "", plain, ""}, // a part of it may occur
		{"xxÄRGER12", "ärger", "", plain, "sAMAccountName"},
		{"My-Doe-1234", "x", "Jane Doe", plain, "displayName"},
		{"My-doe-1234", "x", "Jane,DOE", plain, "displayName"},
		{"My-Doe-1234", "x", "Jane.Doe", plain, "displayName"},
		{"My-Doe-1234", "x", "Jane#Doe", plain, "displayName"},
		{"My-Doe-1234", "x", "Jane_Doe", plain, "displayName"},
		{"My-Doe-1234", "x", "Jane-Doe", plain, "displayName"},
		{"My-Doe-1234", "x", "Jane\tDoe", plain, "displayName"},
		{"My-Do-12345", "x", "Jane Do", plain, ""},
		{"My-Doe-1234", "x", "JaneDoe", plain, ""}, // one token, which does not occur
		{"xxjane123", "jane", "Jane Doe", simple, ""},
		{"aaaaaaa", "x", "", simple, ""},
		{"aaaaaa", "x", "", simple, "too short"},
		{"", "x", "", empty, ""},
		{strings.Repeat("a", 256), "x", "", simple, ""},
		{strings.Repeat("a", 257), "x", "", simple, "longer than 256"},
		{strings.Repeat("😀", 129), "x", "", simple, "longer than 256"},
	} {
		err := c.settings.Check([]byte(c.password), c.account, c.display)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q for %s (%s): %v", c.password, c.account, c.display, err)
		case c.want != "" && (!errors.Is(err, directory.ErrPassword) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q for %s (%s): %v, want %s", c.password, c.account, c.display, err, c.want)
		case err != nil && c.password != "" && len(c.password) > 6 && strings.Contains(err.Error(), c.password):
			t.Errorf("%q: the refusal shows the password: %v", c.password, err)
		}
	}
	// Every ASCII punctuation mark is of the fourth kind.
	for _, mark := range "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" {
		if err := plain.Check([]byte("abcdefG"+string(mark)), "x", ""); err != nil {
			t.Errorf("%c: %v", mark, err)
		}
	}
}

func TestPasswordCoding(t *testing.T) {
	for _, password := range []string{"", "a", "Passw0rd", "ä€漢", "😀", strings.Repeat("x", 127), "\"quoted\"", "a\x01b"} {
		value := directory.EncodePassword([]byte(password))
		got, err := directory.DecodePassword(string(value))
		if err != nil || string(got) != password {
			t.Errorf("%q: %q, %v", password, got, err)
		}
	}
	for _, value := range []string{"", "x", "\"\x00", "a\x00b\x00c\x00", "\"\x00\x00\xd8\"\x00", "\"\x00\x00\xdc\"\x00", "\"\x00a\x00\"\x00x", "\"\x00\x00\xd8a\x00\"\x00"} {
		if got, err := directory.DecodePassword(value); err == nil {
			t.Errorf("%q was read as %q", value, got)
		}
	}
}

func FuzzDecodePassword(f *testing.F) {
	f.Add("\"\x00a\x00\"\x00")
	f.Add("\"\x00\x3d\xd8\x00\xde\"\x00")
	f.Fuzz(func(t *testing.T, value string) {
		password, err := directory.DecodePassword(value)
		if err != nil {
			return
		}
		if again := directory.EncodePassword(password); string(again) != value {
			t.Fatalf("%q became %q", value, again)
		}
	})
}

func TestSIDs(t *testing.T) {
	for _, text := range []string{"S-1-5-32-544", "S-1-5-21-1-2-4294967295", "S-1-1-0", "S-1-5-21-3623811015-3361044348-30300820-1013"} {
		sid, err := directory.ParseSID(text)
		if err != nil || !sid.Valid() || sid.String() != text {
			t.Errorf("%s: %v, %v", text, sid, err)
		}
	}
	for _, text := range []string{"", "S-1", "S-2-5-32", "S-1-5-21-x", "S-1-5-21-4294967296", "1-5-32-544", "S-1-5" + strings.Repeat("-1", 16)} {
		if sid, err := directory.ParseSID(text); err == nil {
			t.Errorf("%s was read as %v", text, sid)
		}
	}
	domain, err := directory.ParseSID("S-1-5-21-1-2-3")
	if err != nil {
		t.Fatal(err)
	}
	child := domain.Child(500)
	if back, err := child.Domain(); err != nil || back != domain || child.RID() != 500 || child.String() != "S-1-5-21-1-2-3-500" {
		t.Errorf("%v, %v, %d, %v", child, back, child.RID(), err)
	}
}

func TestTimes(t *testing.T) {
	moment := time.Date(2026, 11, 23, 12, 34, 56, 789_000_000, time.UTC)
	if got := directory.FileTime(moment); got != "134399108967890000" {
		t.Error(got)
	}
	if got := directory.ParseFileTime("134399108967890000"); !got.Equal(moment) {
		t.Error(got)
	}
	for _, never := range []string{"0", "", "9223372036854775807", "-1", "x"} {
		if got := directory.ParseFileTime(never); !got.IsZero() {
			t.Errorf("%s: %v", never, got)
		}
	}
	if got := directory.Interval(42 * 24 * time.Hour); got != "-36288000000000" {
		t.Error(got)
	}
	if got := directory.ParseInterval("-36288000000000"); got != 42*24*time.Hour {
		t.Error(got)
	}
	for _, none := range []string{"0", "-9223372036854775808", "x", "5"} {
		if got := directory.ParseInterval(none); got != 0 {
			t.Errorf("%s: %v", none, got)
		}
	}
	if got := directory.GeneralizedTime(moment); got != "20261123123456.0Z" {
		t.Error(got)
	}
}
