package ldapserver

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// The tags of a Filter's choices (RFC 4511 section 4.5.1.7).
const (
	tagAnd        = 0xa0
	tagOr         = 0xa1
	tagNot        = 0xa2
	tagEquality   = 0xa3
	tagSubstrings = 0xa4
	tagGreater    = 0xa5
	tagLess       = 0xa6
	tagPresent    = 0x87
	tagApprox     = 0xa8
	tagExtensible = 0xa9

	tagInitial = 0x80
	tagAny     = 0x81
	tagFinal   = 0x82

	tagRule         = 0x81
	tagType         = 0x82
	tagMatchValue   = 0x83
	tagDNAttributes = 0x84
)

const (
	maxFilterDepth = 64
	maxFilterItems = 4096
)

// decodeFilter turns the filter at the cursor into RFC 4515's string, which ldap.CompileFilter reads back as the same
// filter. A filter that the string cannot say (an attribute that is not a name, an empty substring) is refused rather than
// changed; one that is too deep or too long is refused with adminLimitExceeded.
func decodeFilter(c *cursor) (string, error) {
	var d filterDecoder
	if err := d.filter(c, 1); err != nil {
		return "", err
	}
	return d.String(), nil
}

type filterDecoder struct {
	strings.Builder
	items int
}

func (d *filterDecoder) filter(c *cursor, depth int) error {
	d.items++
	if depth > maxFilterDepth || d.items > maxFilterItems {
		return refuse(ldap.LDAPResultAdminLimitExceeded, "the filter is too deep or too long")
	}
	tag, content, err := c.next()
	if err != nil {
		return err
	}
	inner := cursor(content)
	d.WriteByte('(')
	switch tag {
	case tagAnd:
		err = d.set('&', inner, depth)
	case tagOr:
		err = d.set('|', inner, depth)
	case tagNot:
		d.WriteByte('!')
		if err = d.filter(&inner, depth+1); err == nil && !inner.empty() {
			err = errMalformed
		}
	case tagEquality:
		err = d.assertion("=", inner)
	case tagGreater:
		err = d.assertion(">=", inner)
	case tagLess:
		err = d.assertion("<=", inner)
	case tagApprox:
		err = d.assertion("~=", inner)
	case tagPresent:
		if err = d.attribute(content); err == nil {
			d.WriteString("=*")
		}
	case tagSubstrings:
		err = d.substrings(inner)
	case tagExtensible:
		err = d.extensible(inner)
	default:
		err = refuse(ldap.LDAPResultProtocolError, "unknown kind of filter")
	}
	d.WriteByte(')')
	return err
}

func (d *filterDecoder) set(sign byte, members cursor, depth int) error {
	d.WriteByte(sign)
	for !members.empty() {
		if err := d.filter(&members, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *filterDecoder) assertion(sign string, fields cursor) error {
	name, err := fields.expect(tagOctetString)
	if err != nil {
		return err
	}
	value, err := fields.expect(tagOctetString)
	if err != nil {
		return err
	}
	if err := d.attribute(name); err != nil {
		return err
	}
	d.WriteString(sign)
	d.value(value)
	return nil
}

func (d *filterDecoder) substrings(fields cursor) error {
	name, err := fields.expect(tagOctetString)
	if err != nil {
		return err
	}
	content, err := fields.expect(tagSequence)
	if err != nil {
		return err
	}
	if err := d.attribute(name); err != nil {
		return err
	}
	d.WriteByte('=')
	parts := cursor(content)
	if parts.empty() {
		return errMalformed
	}
	for first := true; !parts.empty(); first = false {
		d.items++
		tag, part, err := parts.next()
		if err != nil {
			return err
		}
		misplaced := tag == tagInitial && !first || tag == tagFinal && !parts.empty()
		if misplaced || tag < tagInitial || tag > tagFinal {
			return errMalformed
		}
		if len(part) == 0 {
			return refuse(ldap.LDAPResultProtocolError, "empty substring in the filter")
		}
		if first && tag != tagInitial {
			d.WriteByte('*')
		}
		d.value(part)
		if tag != tagFinal {
			d.WriteByte('*')
		}
	}
	return nil
}

func (d *filterDecoder) extensible(fields cursor) error {
	rule, hasRule, err := fields.optional(tagRule)
	if err != nil {
		return err
	}
	name, hasName, err := fields.optional(tagType)
	if err != nil {
		return err
	}
	value, err := fields.expect(tagMatchValue)
	if err != nil {
		return err
	}
	wholeDN := false
	if fields.peek() == tagDNAttributes {
		if wholeDN, err = fields.boolean(tagDNAttributes); err != nil {
			return err
		}
	}
	if !hasRule && !hasName {
		return refuse(ldap.LDAPResultProtocolError, "extensible match without attribute and matching rule")
	}
	if hasName {
		if err := d.attribute(name); err != nil {
			return err
		}
	}
	if wholeDN {
		d.WriteString(":dn")
	}
	if hasRule {
		// A rule called "dn" would read as the flag above.
		if !isName(rule, "-.") || strings.EqualFold(string(rule), "dn") {
			return refuse(ldap.LDAPResultProtocolError, "invalid matching rule in the filter")
		}
		d.WriteByte(':')
		d.Write(rule)
	}
	d.WriteString(":=")
	d.value(value)
	return nil
}

func (d *filterDecoder) attribute(name []byte) error {
	if !isAttribute(name) {
		return refuse(ldap.LDAPResultProtocolError, "invalid attribute description in the filter")
	}
	d.Write(name)
	return nil
}

func (d *filterDecoder) value(value []byte) {
	d.WriteString(ldap.EscapeFilter(string(value)))
}

// isAttribute says whether name has the characters of an attribute description with options (RFC 4512 section 2.5), or
// the underscore that some schemas use.
func isAttribute(name []byte) bool { return isName(name, "-.;_") }

func isName(name []byte, punctuation string) bool {
	for _, c := range name {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte(punctuation, c) < 0 {
			return false
		}
	}
	return len(name) > 0
}

// secretAttribute says whether an attribute carries a password, by name or OID, whatever its options.
func secretAttribute(description string) bool {
	name, _, _ := strings.Cut(description, ";")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "unicodepwd", "1.2.840.113556.1.4.90",
		"userpassword", "2.5.4.35",
		"cleartextpassword", "dbcspwd", "ntpwdhistory", "lmpwdhistory", "supplementalcredentials":
		return true
	}
	return false
}

// redactFilter is a filter for the log: assertions on secret attributes lose their values. It reads what decodeFilter
// wrote, where parentheses inside values are escaped.
func redactFilter(filter string) string {
	var out strings.Builder
	for filter != "" {
		end := strings.IndexAny(filter, "()")
		if end < 0 {
			break
		}
		item := filter[:end]
		if sign := strings.IndexAny(item, "=<>~:"); sign >= 0 && secretAttribute(item[:sign]) {
			item = item[:sign] + "=[redacted]"
		}
		out.WriteString(item)
		out.WriteByte(filter[end])
		filter = filter[end+1:]
	}
	return out.String()
}
