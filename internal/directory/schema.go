package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/ldif"
)

// ErrSchema says that a schema can't be extended so. The text around it says where, and why.
var ErrSchema = errors.New("the schema can't be extended so")

// SchemaDefinition is an attribute or a class that a schema is to have (MS-ADTS section 3.1.1.2), or a change of one.
type SchemaDefinition struct {
	Line   int // of the LDIF
	DN     string
	Modify bool
	// Changes is what is done, in its order; Attributes the values that it gives, by names in lower case.
	Changes    []ldif.Change
	Attributes map[string][]string
}

// First is the first value of an attribute.
func (d SchemaDefinition) First(name string) string {
	if values := d.Attributes[strings.ToLower(name)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// Is says whether the definition is of that class.
func (d SchemaDefinition) Is(class string) bool {
	return slices.ContainsFunc(d.Attributes["objectclass"], func(c string) bool { return strings.EqualFold(c, class) })
}

// ReadSchema reads the LDIF of a schema extension: additions to the domain's schema, and changes of what it has. The domain may
// be written DC=X, as ldifde exports it. Its errors wrap ErrSchema.
func ReadSchema(domain Domain, text string) ([]SchemaDefinition, error) {
	records, err := ldif.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	container, err := ldap.ParseDN("CN=Schema,CN=Configuration," + domain.BaseDN())
	if err != nil {
		return nil, err
	}
	var definitions []SchemaDefinition
	for _, record := range records {
		d := SchemaDefinition{Line: record.Line, DN: inDomain(record.DN, domain), Modify: record.Modify, Attributes: map[string][]string{}}
		for _, change := range record.Changes {
			for i, value := range change.Values {
				change.Values[i] = inDomain(value, domain)
			}
			if change.Op == ldif.Delete || record.Modify && change.Op == ldif.Replace && !strings.EqualFold(change.Attribute, "schemaUpdateNow") {
				return nil, fmt.Errorf("%w: line %d: a schema is only added to", ErrSchema, record.Line)
			}
			name := strings.ToLower(change.Attribute)
			d.Attributes[name] = append(d.Attributes[name], change.Values...)
			d.Changes = append(d.Changes, change)
		}
		if d.DN != "" {
			dn, err := ldap.ParseDN(d.DN)
			if err != nil || !container.AncestorOfFold(dn) {
				return nil, fmt.Errorf("%w: line %d: %s is not below %s", ErrSchema, record.Line, record.DN, "CN=Schema,CN=Configuration,"+domain.BaseDN())
			}
		} else if _, ok := d.Attributes["schemaupdatenow"]; !ok || len(d.Attributes) != 1 {
			return nil, fmt.Errorf("%w: line %d: without a DN there is only schemaUpdateNow", ErrSchema, record.Line)
		}
		definitions = append(definitions, d)
	}
	if len(definitions) == 0 {
		return nil, fmt.Errorf("%w: the LDIF has no records", ErrSchema)
	}
	return definitions, nil
}

// inDomain writes the domain's DN for the DC=X at the end of a DN.
func inDomain(dn string, domain Domain) string {
	const placeholder = ",DC=X"
	if len(dn) > len(placeholder) && strings.EqualFold(dn[len(dn)-len(placeholder):], placeholder) {
		return dn[:len(dn)-len(placeholder)] + "," + domain.BaseDN()
	}
	return dn
}
