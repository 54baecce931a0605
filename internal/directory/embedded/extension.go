package embedded

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// extension is what one directory's schema has besides the engine's. It is never changed, but replaced.
type extension struct {
	attributes map[string]*attribute
	classes    map[string]*class
}

// ofOne is the schema as one directory has it: it shares what is the engine's, and can be extended.
func (s *schema) ofOne() *schema {
	return &schema{attributes: s.attributes, classes: s.classes, shown: s.shown, links: s.links, ambiguous: s.ambiguous}
}

// syntaxes is how values are compared, by attributeSyntax (MS-ADTS section 3.1.1.2.2.2).
var syntaxes = map[string]syntax{
	"2.5.5.1": dn, "2.5.5.2": text, "2.5.5.3": exact, "2.5.5.4": text, "2.5.5.5": exact, "2.5.5.6": text, "2.5.5.7": exact, "2.5.5.8": boolean,
	"2.5.5.9": integer, "2.5.5.10": octets, "2.5.5.11": moment, "2.5.5.12": text, "2.5.5.13": text, "2.5.5.14": exact, "2.5.5.15": octets, "2.5.5.16": integer,
	"2.5.5.17": sid,
}

// Extend gives a directory's schema further attributes and classes; those that are there stay as they are. It holds until the
// directory is dropped. Attributes can be given to entries of every class. Its errors wrap directory.ErrSchema.
func (e *Engine) Extend(id string, definitions []directory.SchemaDefinition) error {
	t, err := e.tree(id)
	if err != nil {
		return err
	}
	next := &extension{attributes: map[string]*attribute{}, classes: map[string]*class{}}
	former := t.schema.own.Load()
	if former != nil {
		maps.Copy(next.attributes, former.attributes)
		maps.Copy(next.classes, former.classes)
	}
	for _, d := range definitions {
		if err := next.define(t.schema, d); err != nil {
			return fmt.Errorf("%w: line %d: %w", directory.ErrSchema, d.Line, err)
		}
	}
	if !t.schema.own.CompareAndSwap(former, next) {
		return fmt.Errorf("%w: the schema is being changed by somebody else", directory.ErrUnavailable)
	}
	return nil
}

func (x *extension) define(s *schema, d directory.SchemaDefinition) error {
	name := d.First("lDAPDisplayName")
	key := strings.ToLower(name)
	switch {
	case d.Modify:
		return x.change(s, d)
	case name == "":
		return fmt.Errorf("lDAPDisplayName is missing")
	case d.Is("attributeSchema"):
		if s.attribute(name) != nil || x.attributes[key] != nil {
			return nil
		}
		kind, ok := syntaxes[d.First("attributeSyntax")]
		if !ok {
			return fmt.Errorf("the attributeSyntax %q of %s is not supported", d.First("attributeSyntax"), name)
		}
		if kind == dn {
			kind = text
		}
		made := &attribute{
			name: name, common: commonName(d.DN), oid: d.First("attributeID"), form: strings.TrimPrefix(d.First("attributeSyntax"), "2.5.5.") + "/" + d.First("oMSyntax"),
			guid: hex.EncodeToString([]byte(d.First("schemaIDGUID"))), linkID: "-", syntax: kind, single: strings.EqualFold(d.First("isSingleValued"), "TRUE"), anywhere: true,
		}
		made.bound(d.First("rangeLower"), d.First("rangeUpper"))
		x.attributes[key] = made
		return nil
	case d.Is("classSchema"):
		return x.class(s, d, name)
	}
	return fmt.Errorf("%s is neither an attributeSchema nor a classSchema", d.DN)
}

func (x *extension) class(s *schema, d directory.SchemaDefinition, name string) error {
	key := strings.ToLower(name)
	if s.class(name) != nil || x.classes[key] != nil {
		return nil
	}
	made := &class{name: name, common: commonName(d.DN), oid: d.First("governsID"), guid: hex.EncodeToString([]byte(d.First("schemaIDGUID"))), kind: d.First("objectClassCategory")}
	for _, list := range []string{"mustContain", "mayContain", "systemMustContain", "systemMayContain"} {
		for _, attributeName := range d.Attributes[strings.ToLower(list)] {
			a := s.attribute(attributeName)
			if a == nil {
				a = x.attributes[strings.ToLower(attributeName)]
			}
			switch {
			case a == nil:
				return fmt.Errorf("%s of %s names %s, which the schema does not have", list, name, attributeName)
			case strings.Contains(list, "ust"):
				made.must = append(made.must, a)
			default:
				made.may = append(made.may, a)
			}
		}
	}
	if made.kind == abstractClass {
		return fmt.Errorf("%s is abstract, which is not supported", name)
	}
	if made.above = s.class(d.First("subClassOf")); made.above == nil {
		made.above = x.classes[strings.ToLower(d.First("subClassOf"))]
	}
	if made.above == nil || made.above.kind == auxiliaryClass && made.kind != auxiliaryClass {
		return fmt.Errorf("%s is derived from %q, which the schema does not have as a structural class", name, d.First("subClassOf"))
	}
	made.superiors = slices.Concat(d.Attributes["posssuperiors"], d.Attributes["systemposssuperiors"])
	if made.above.name == "top" && len(made.superiors) == 0 {
		made.superiors = []string{"container", "organizationalUnit", "domainDNS"}
	}
	made.chain, made.rdn, made.category, made.account = append(slices.Clone(made.above.chain), name), made.above.rdn, made.common, made.above.account
	x.classes[key] = made
	return nil
}

// change takes what lets a class have more attributes: entries of every class may have any.
func (x *extension) change(s *schema, d directory.SchemaDefinition) error {
	for list, names := range d.Attributes {
		switch list {
		case "schemaupdatenow":
		case "maycontain", "auxiliaryclass":
			for _, name := range names {
				if s.attribute(name) == nil && x.attributes[strings.ToLower(name)] == nil && s.class(name) == nil && x.classes[strings.ToLower(name)] == nil {
					return fmt.Errorf("%s names %s, which the schema does not have", list, name)
				}
			}
		default:
			return fmt.Errorf("%s of what is there can't be changed", list)
		}
	}
	return nil
}

// commonName is the value of a DN's first part.
func commonName(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return dn
	}
	return parsed.RDNs[0].Attributes[0].Value
}
