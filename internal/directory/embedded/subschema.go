package embedded

import (
	"slices"
	"strings"
)

// describe is the schema in the form that LDAP clients read: the values of attributeTypes, objectClasses and dITContentRules of
// the subschema entry (RFC 4512 section 4.1, MS-ADTS section 3.1.1.3.1.1.1), and what entries of a class may hold.
func (t *tree) describe(n *node, attributeName string) (values []string) {
	switch {
	case attributeName == "possibleInferiors":
		of := t.schema.class(n.first("lDAPDisplayName"))
		if !n.class.is("classSchema") || of == nil {
			return nil
		}
		return t.allowedChildren(&node{class: of})
	case !n.class.is("subSchema"):
	case attributeName == "attributeTypes":
		for _, a := range t.schema.everyAttribute() {
			values = append(values, a.describe())
		}
	case attributeName == "objectClasses":
		for _, c := range t.schema.everyClass() {
			values = append(values, c.describe())
		}
	default:
		for _, c := range t.schema.everyClass() {
			if c.kind != abstractClass && c.kind != auxiliaryClass {
				values = append(values, c.describeContent())
			}
		}
	}
	return values
}

// ldapSyntaxes is the LDAP syntax of each form (MS-ADTS section 3.1.1.3.1.1.1).
var ldapSyntaxes = map[string]string{
	"1/127": "1.3.6.1.4.1.1466.115.121.1.12", "2/6": "1.3.6.1.4.1.1466.115.121.1.38", "3/27": "1.2.840.113556.1.4.1362",
	"4/20": "1.2.840.113556.1.4.905", "5/19": "1.3.6.1.4.1.1466.115.121.1.44", "5/22": "1.3.6.1.4.1.1466.115.121.1.26",
	"6/18": "1.3.6.1.4.1.1466.115.121.1.36", "7/127": "1.2.840.113556.1.4.903", "8/1": "1.3.6.1.4.1.1466.115.121.1.7",
	"9/2": "1.3.6.1.4.1.1466.115.121.1.27", "9/10": "1.3.6.1.4.1.1466.115.121.1.27", "10/4": "1.3.6.1.4.1.1466.115.121.1.40",
	"10/127": "1.3.6.1.4.1.1466.115.121.1.40", "11/23": "1.3.6.1.4.1.1466.115.121.1.53", "11/24": "1.3.6.1.4.1.1466.115.121.1.24",
	"12/64": "1.3.6.1.4.1.1466.115.121.1.15", "13/127": "1.3.6.1.4.1.1466.115.121.1.43", "14/127": "1.2.840.113556.1.4.904",
	"15/66": "1.2.840.113556.1.4.907", "16/65": "1.2.840.113556.1.4.906", "17/4": "1.3.6.1.4.1.1466.115.121.1.40",
}

// describe is an AttributeTypeDescription.
func (a *attribute) describe() string {
	var text strings.Builder
	text.WriteString("( " + a.oid + " NAME '" + a.name + "'")
	if syntax := ldapSyntaxes[a.form]; syntax != "" {
		text.WriteString(" SYNTAX '" + syntax + "'")
	}
	if a.single {
		text.WriteString(" SINGLE-VALUE")
	}
	if a.system {
		text.WriteString(" NO-USER-MODIFICATION")
	}
	text.WriteString(" )")
	return text.String()
}

// describe is an ObjectClassDescription.
func (c *class) describe() string {
	kind := map[string]string{abstractClass: "ABSTRACT", auxiliaryClass: "AUXILIARY"}[c.kind]
	if kind == "" {
		kind = "STRUCTURAL"
	}
	text := "( " + c.oid + " NAME '" + c.name + "'"
	if c.above != nil {
		text += " SUP " + c.above.name
	}
	return text + " " + kind + list("MUST", attributeNames(c.must)) + list("MAY", attributeNames(c.may)) + " )"
}

// describeContent is a DITContentRuleDescription: which auxiliary classes the entries of a class are of, and what these bring.
func (c *class) describeContent() string {
	var auxiliary, must, may []string
	c.each(func(each *class) bool {
		for _, a := range each.auxiliary {
			auxiliary = append(auxiliary, a.name)
			must, may = append(must, attributeNames(a.must)...), append(may, attributeNames(a.may)...)
		}
		return true
	})
	return "( " + c.oid + " NAME '" + c.name + "'" + list("AUX", auxiliary) + list("MUST", must) + list("MAY", may) + " )"
}

func list(keyword string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return " " + keyword + " (" + strings.Join(names, " $ ") + " )"
}
