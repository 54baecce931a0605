package embedded

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// A name in the form it is compared in stays the same when it is written out and read again, and no bytes make the reader
// panic.
func FuzzDN(f *testing.F) {
	for _, dn := range []string{
		"", "DC=corp,DC=example,DC=com", "CN=Jane Doe,OU=Berlin,OU=Sales,DC=corp", `CN=Doe\, Jane,DC=corp`, `CN=\#hash,DC=corp`, `CN=a\20,DC=corp`,
		"CN=a+OU=b,DC=corp", "cn = Jane  Doe , dc = corp", `CN=\C3\A4,DC=corp`, "CN=#0401ff,DC=corp", "<GUID=00>", `CN="quoted",DC=corp`, "CN=ß,DC=ẞ", "=,=", `CN=\`,
	} {
		f.Add(dn)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		parsed, err := parseDN(dn)
		if err != nil {
			return
		}
		written := make([]string, len(parsed))
		for i, key := range parsed {
			kind, value, ok := strings.Cut(key, "=")
			if !ok {
				t.Fatalf("%q: an element without =: %q", dn, key)
			}
			written[i] = ldap.EscapeDN(kind) + "=" + ldap.EscapeDN(value)
		}
		if strings.ContainsAny(strings.Join(parsed, ""), "\x00") {
			return // no entry can be named so
		}
		again, err := parseDN(strings.Join(written, ","))
		if err != nil {
			t.Fatalf("%q: %q can't be read: %v", dn, written, err)
		}
		if strings.Join(again, "\x00") != strings.Join(parsed, "\x00") {
			t.Fatalf("%q: %q became %q", dn, parsed, again)
		}
	})
}
