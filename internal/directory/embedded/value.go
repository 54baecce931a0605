package embedded

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// normalize is the form in which two values of an attribute are equal exactly if they match. It fails for a value that
// the syntax does not allow.
func (a *attribute) normalize(value string) (string, error) {
	switch a.syntax {
	case text:
		if !utf8.ValidString(value) {
			return "", fmt.Errorf("%s: the value is not UTF-8", a.name)
		}
		return foldText(value), nil
	case exact:
		if !utf8.ValidString(value) {
			return "", fmt.Errorf("%s: the value is not UTF-8", a.name)
		}
		return value, nil
	case integer:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return "", fmt.Errorf("%s: the value is not an integer", a.name)
		}
		return strconv.FormatInt(n, 10), nil
	case boolean:
		if upper := strings.ToUpper(value); upper == "TRUE" || upper == "FALSE" {
			return upper, nil
		}
		return "", fmt.Errorf("%s: the value is neither TRUE nor FALSE", a.name)
	case sid:
		if directory.SID(value).Valid() {
			return value, nil
		}
		parsed, err := directory.ParseSID(value)
		return string(parsed), err
	case dn:
		return normalizeDN(value)
	case moment:
		parsed, err := time.Parse("20060102150405.999999999Z07", value)
		if err != nil {
			return "", fmt.Errorf("%s: the value is not a generalized time", a.name)
		}
		return parsed.UTC().Format(time.RFC3339Nano), nil
	}
	return value, nil
}

// foldText ignores the case of letters, spaces around the value, and how many spaces are between words.
func foldText(value string) string {
	if isFolded(value) {
		return value
	}
	var folded strings.Builder
	folded.Grow(len(value))
	space := false
	for _, r := range strings.Trim(value, " ") {
		if r == ' ' {
			space = true
			continue
		}
		if space {
			folded.WriteByte(' ')
			space = false
		}
		folded.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
	}
	return folded.String()
}

// isFolded says whether foldText would certainly change nothing.
func isFolded(value string) bool {
	space := true // so far, a space would be one too many
	for i := range len(value) {
		c := value[i]
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space || value == ""
}

// name is a DN taken apart: each element is an RDN in the form in which RDNs are compared, the leaf first.
type name []string

func parseDN(s string) (name, error) {
	parsed, err := ldap.ParseDN(s)
	if err != nil {
		return nil, err
	}
	n := make(name, len(parsed.RDNs))
	for i, rdn := range parsed.RDNs {
		if len(rdn.Attributes) != 1 {
			return nil, fmt.Errorf("%q: an RDN has exactly one attribute", s)
		}
		if !isDescriptor(rdn.Attributes[0].Type) {
			return nil, fmt.Errorf("%q: %q is not the name of an attribute", s, rdn.Attributes[0].Type)
		}
		n[i] = rdnKey(rdn.Attributes[0].Type, rdn.Attributes[0].Value)
	}
	return n, nil
}

// isDescriptor says whether s, but for spaces around it, is an attribute's short name or its OID (RFC 4512 section 1.4).
func isDescriptor(s string) bool {
	s = strings.Trim(s, " ")
	for _, c := range []byte(s) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

func rdnKey(attributeType, value string) string {
	return strings.ToLower(strings.Trim(attributeType, " ")) + "=" + foldText(value)
}

func normalizeDN(s string) (string, error) {
	n, err := parseDN(s)
	if err != nil {
		return "", err
	}
	return strings.Join(n, "\x00"), nil
}

// splitRDN takes a stored RDN apart: the attribute and its plain value.
func splitRDN(rdn string) (attributeType, value string) {
	attributeType, value, _ = strings.Cut(rdn, "=")
	return attributeType, value
}

// appendRDN appends a stored RDN in the form it has within a DN (RFC 4514).
func appendRDN(b []byte, rdn string) []byte {
	attributeType, value := splitRDN(rdn)
	if strings.ContainsAny(value, "\"#+,;<=>\\\x00") || strings.HasPrefix(value, " ") || strings.HasSuffix(value, " ") {
		value = ldap.EscapeDN(value)
	}
	return append(append(append(b, attributeType...), '='), value...)
}

// guidBytes is objectGUID as LDAP shows it: the first three groups are little-endian (MS-DTYP section 2.3.4.2). The store
// keeps the same bytes.
func guidBytes(g store.GUID) string { return string(g[:]) }

// parseGUIDText reads the two forms that <GUID=…> may have (MS-ADTS section 3.1.1.3.1.2.4).
func parseGUIDText(s string) (store.GUID, bool) {
	var g store.GUID
	dashed := strings.Contains(s, "-")
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != len(g) {
		return g, false
	}
	copy(g[:], raw)
	if dashed {
		g[0], g[1], g[2], g[3] = g[3], g[2], g[1], g[0]
		g[4], g[5] = g[5], g[4]
		g[6], g[7] = g[7], g[6]
	}
	return g, true
}
