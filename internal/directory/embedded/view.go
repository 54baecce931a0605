package embedded

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// view adds to what a search has found what depends on who asks, or on how the DNs are to be written.
func (s *Session) view(t *tree, request *ldap.SearchRequest, result *ldap.SearchResult) {
	if result == nil {
		return
	}
	for _, attributeName := range request.Attributes {
		a := t.schema.attribute(attributeName)
		if a == nil || t != s.tree {
			continue
		}
		var open string // what anybody may do, if he may anything
		switch a.name {
		case "allowedAttributesEffective":
			open = "allowedAttributes"
		case "allowedChildClassesEffective":
			open = "allowedChildClasses"
		case "sDRightsEffective":
		default:
			continue
		}
		for _, entry := range result.Entries {
			if values := s.effective(t, entry.DN, open); len(values) > 0 {
				entry.Attributes = append(entry.Attributes, ldap.NewEntryAttribute(a.name, values))
			}
		}
	}
	if form, ok := ldap.FindControl(request.Controls, ldap.ControlTypeMicrosoftExtendedDN).(*directory.ExtendedDN); ok {
		t.extendDNs(result, form.Text)
	}
}

// effective is what the session may write of an entry (MS-ADTS sections 3.1.1.4.5.21 to 3.1.1.4.5.26); open is the attribute that
// says what there is to write, "" for its security descriptor, of which there is none.
func (s *Session) effective(t *tree, dn, open string) []string {
	if open == "" {
		return []string{"0"}
	}
	if s.mayWrite(dn, dn) != nil {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, err := t.find(dn)
	if err != nil {
		return nil
	}
	values := t.valuesOf(n, t.schema.attribute(open))
	return slices.DeleteFunc(values, func(name string) bool {
		a := t.schema.attribute(name)
		return open == "allowedAttributes" && (a == nil || a.system || a.unkept && a.name != "unicodePwd")
	})
}

// extendDNs writes the GUID and the SID of entries before their DNs.
func (t *tree) extendDNs(result *ldap.SearchResult, asText bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, entry := range result.Entries {
		for _, given := range entry.Attributes {
			if a := t.schema.attribute(given.Name); a == nil || a.syntax != dn || a.name == "distinguishedName" {
				continue
			}
			for i, value := range given.Values {
				given.Values[i] = t.extendDN(value, asText)
				given.ByteValues[i] = []byte(given.Values[i])
			}
		}
		entry.DN = t.extendDN(entry.DN, asText)
	}
}

func (t *tree) extendDN(dn string, asText bool) string {
	n, err := t.find(dn)
	if err != nil {
		return dn
	}
	var text strings.Builder
	g, id := n.guid, n.sid()
	if asText {
		fmt.Fprintf(&text, "<GUID=%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x>;", g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8:10], g[10:])
	} else {
		fmt.Fprintf(&text, "<GUID=%x>;", g[:])
	}
	switch {
	case id == "":
	case asText:
		text.WriteString("<SID=" + id.String() + ">;")
	default:
		text.WriteString("<SID=" + hex.EncodeToString([]byte(id)) + ">;")
	}
	return text.String() + dn
}
