package ldif

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse("version: 1\r\n# a comment\n  that goes on\n\ndn: CN=one,\n DC=x\nchangetype: ntdsSchemaAdd\nobjectClass: top\nobjectClass: thing\ncn:: b25l\n\n\n" +
		"dn: CN=two,DC=x\nchangetype: modify\nadd: mayContain\nmayContain: a\nmayContain: b\n-\nreplace: description\n-\n\ndn:\nchangetype: ntdsschemamodify\nreplace: schemaUpdateNow\nschemaUpdateNow: 1\n")
	want := []Record{
		{Line: 5, DN: "CN=one,DC=x", Changes: []Change{{Add, "objectClass", []string{"top", "thing"}}, {Add, "cn", []string{"one"}}}},
		{Line: 13, DN: "CN=two,DC=x", Modify: true, Changes: []Change{{Add, "mayContain", []string{"a", "b"}}, {Replace, "description", nil}}},
		{Line: 22, DN: "", Modify: true, Changes: []Change{{Replace, "schemaUpdateNow", []string{"1"}}}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, why := range map[string]string{
		" goes on":                                "line 1: it goes on from no other line",
		"cn: x":                                   "line 1: a record does not begin with a dn",
		"dn: x":                                   "line 1: the record has nothing but a DN",
		"dn: x\nno pair":                          "line 2: it is not NAME: VALUE",
		"dn: x\ncn:: %%%":                         "line 2: a value is not base64",
		"dn: x\ncn:< file:///etc/passwd":          "line 2: a value is the URL of a file",
		"dn: x\nchangetype: delete":               "line 2: changetype delete is not supported",
		"dn: x\nchangetype: modify\nmove: a":      "line 3: move is none of add, delete, replace",
		"dn: x\nchangetype: modify\nadd: a":       "line 3: nothing is added to a",
		"dn: x\nchangetype: modify\nadd: a\nb: 1": "line 4: a value of b is among those of a",
	} {
		if _, err := Parse(text); err == nil || !strings.HasPrefix(err.Error(), why) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// After a record that is wrong, the next is read.
func TestReaderGoesOn(t *testing.T) {
	reader := NewReader(strings.NewReader("version: 1\ndn: x\ncn:: %%%\n\n goes on\ncn: y\n\n\ndn: z\ncn: " + strings.Repeat("long", 2000) + "\n"))
	for _, want := range []string{"line 3: a value is not base64", "line 5: it goes on from no other line"} {
		var wrong *Error
		if _, err := reader.Next(); !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if record, err := reader.Next(); err != nil || record.DN != "z" || record.Line != 9 || len(record.Changes[0].Values[0]) != 8000 {
		t.Errorf("%v, line %d, %s", err, record.Line, record.DN)
	}
	for range 2 {
		if _, err := reader.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
	}
	for _, long := range []string{"dn: " + strings.Repeat("x", maxRecord), "dn: x\n" + strings.Repeat("cn: y\n", maxRecord/4)} {
		var wrong *Error
		if _, err := NewReader(strings.NewReader(long)).Next(); err == nil || errors.As(err, &wrong) || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("too long: %v", err)
		}
	}
}

func TestAppend(t *testing.T) {
	got := string(Append(nil, "CN=Zoë,DC=x", []Change{
		{Add, "cn", []string{"plain", " space", "space ", ":colon", "<url", "two\nlines", ""}}, {Add, "description", []string{strings.Repeat("0123456789", 10)}},
	}))
	want := "dn:: Q049Wm/DqyxEQz14\ncn: plain\ncn:: IHNwYWNl\ncn:: c3BhY2Ug\ncn:: OmNvbG9u\ncn:: PHVybA==\ncn:: dHdvCmxpbmVz\ncn: \n" +
		"description: 012345678901234567890123456789012345678901234567890123456789012\n 3456789012345678901234567890123456789\n\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("CN=one", "cn", "one")
	f.Add("CN=one", "cn", " \r\n é")
	f.Fuzz(func(t *testing.T, dn, name, value string) {
		if name == "" || strings.ContainsAny(name, ":\r\n #") || strings.EqualFold(name, "changetype") {
			return
		}
		got, err := Parse(string(Append(nil, dn, []Change{{Add, name, []string{value, "another"}}})))
		if diff := cmp.Diff([]Record{{Line: 1, DN: dn, Changes: []Change{{Add, name, []string{value, "another"}}}}}, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("dn: CN=one,DC=x\ncn: one\n")
	f.Add("dn: CN=two,DC=x\nchangetype: modify\nadd: a\na:: b25l\n-\n")
	f.Fuzz(func(t *testing.T, text string) {
		records, err := Parse(text)
		for _, record := range records {
			if err == nil && len(record.Changes) == 0 {
				t.Errorf("a record without a change: %q", text)
			}
		}
	})
}
