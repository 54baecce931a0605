package ldif

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// foldedAt is how long lines are, in bytes (RFC 2849 note 2 has 76 as an example).
const foldedAt = 76

// Append writes a record that adds an entry, and the empty line that ends it.
func Append(dst []byte, dn string, attributes []Change) []byte {
	dst = appendPair(dst, "dn", dn)
	for _, each := range attributes {
		for _, value := range each.Values {
			dst = appendPair(dst, each.Attribute, value)
		}
	}
	return append(dst, '\n')
}

func appendPair(dst []byte, name, value string) []byte {
	line := name + ": " + value
	if !safe(value) {
		line = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
	}
	for len(line) > foldedAt {
		dst = append(append(dst, line[:foldedAt]...), '\n')
		line = " " + line[foldedAt:]
	}
	return append(append(dst, line...), '\n')
}

// safe says whether a value is a SAFE-STRING, and does not end with a space (RFC 2849 note 8).
func safe(value string) bool {
	return value == "" || !strings.ContainsAny(value[:1], " :<") && !strings.HasSuffix(value, " ") &&
		!strings.ContainsFunc(value, func(r rune) bool { return r == 0 || r == '\n' || r == '\r' || r >= utf8.RuneSelf })
}
