package embedded

import (
	"slices"
	"strconv"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// classify gives a new entry its class and the auxiliary ones that it is to have (MS-ADTS section 3.1.1.5.2.4).
func (d *draft) classify(values []string) error {
	s := d.tree.schema
	if at := slices.IndexFunc(values, func(name string) bool { return s.class(name) == nil }); at >= 0 {
		return refuse(ldap.LDAPResultNoSuchAttribute, "0000200C", "the schema has no class "+values[at])
	}
	if d.class = s.structural(values); d.class == nil {
		return refuse(ldap.LDAPResultUnwillingToPerform, "000020B5", "objectClass names no class that an entry can be of")
	}
	return d.setClasses(values)
}

// setClasses makes the values of objectClass of what a client names: the chain of the entry's class, and auxiliary classes.
func (d *draft) setClasses(values []string) error {
	var auxiliary []string
	for _, value := range values {
		switch c := d.tree.schema.class(value); {
		case c == nil:
			return refuse(ldap.LDAPResultNoSuchAttribute, "0000200C", "the schema has no class "+value)
		case c.kind == auxiliaryClass && !slices.Contains(auxiliary, c.name):
			auxiliary = append(auxiliary, c.name)
		case c.kind != auxiliaryClass && !d.class.is(c.name):
			return refuse(ldap.LDAPResultObjectClassViolation, "0000207C", "an entry can't be a "+c.name+" and a "+d.class.name)
		}
	}
	// The most derived class is the last value.
	d.set("objectClass", slices.Concat(d.class.chain[:1], auxiliary, d.class.chain[1:])...)
	return nil
}

// changeClasses is a modification of objectClass: auxiliary classes come and go, the entry's own stays (MS-ADTS section
// 3.1.1.5.3.5).
func (d *draft) changeClasses(kind uint, values []string) error {
	given := make([]string, len(values))
	for i, value := range values {
		c := d.tree.schema.class(value)
		if c == nil {
			return refuse(ldap.LDAPResultNoSuchAttribute, "0000200C", "the schema has no class "+value)
		}
		given[i] = c.name
	}
	current := d.entry.Attributes["objectClass"]
	switch kind {
	case ldap.AddAttribute:
		if slices.ContainsFunc(given, func(name string) bool { return slices.Contains(current, name) }) {
			return refuse(ldap.LDAPResultAttributeOrValueExists, "00002083", "objectClass has this value already")
		}
		return d.setClasses(slices.Concat(current, given))
	case ldap.DeleteAttribute:
		for _, name := range given {
			if !slices.Contains(current, name) {
				return refuse(ldap.LDAPResultNoSuchAttribute, "00002085", "objectClass does not have this value")
			}
		}
		if len(given) == 0 || slices.ContainsFunc(given, d.class.is) {
			return refuse(ldap.LDAPResultObjectClassModsProhibited, "0000207D", "an entry keeps its class")
		}
		return d.setClasses(slices.DeleteFunc(slices.Clone(current), func(name string) bool { return slices.Contains(given, name) }))
	}
	if !slices.Contains(given, d.class.name) {
		return refuse(ldap.LDAPResultObjectClassModsProhibited, "0000207D", "an entry keeps its class")
	}
	return d.setClasses(given)
}

// allows says whether the entry may have the attribute, by its class or an auxiliary one.
func (d *draft) allows(a *attribute) bool {
	return d.class.allows(a) || slices.ContainsFunc(d.entry.Attributes["objectClass"], func(name string) bool {
		c := d.tree.schema.class(name)
		return c != nil && c.kind == auxiliaryClass && c.allows(a)
	})
}

// finishClass holds what has changed against what entries of the class must and may have.
func (d *draft) finishClass() error {
	if d.class == nil {
		return nil
	}
	classes := d.old == nil || !slices.Equal(d.old.attributes.of("objectClass"), d.entry.Attributes["objectClass"])
	for name, values := range d.entry.Attributes {
		a := d.tree.schema.attribute(name)
		if a != nil && (classes || !slices.Equal(d.old.attributes.of(name), values)) && !d.allows(a) {
			return refuse(ldap.LDAPResultObjectClassViolation, "00002014", "an entry of this class has no "+name)
		}
	}
	for _, link := range d.links {
		if a := d.tree.schema.attribute(link.Attribute); link.Source == d.entry.GUID && !d.allows(a) {
			return refuse(ldap.LDAPResultObjectClassViolation, "00002014", "an entry of this class has no "+link.Attribute)
		}
	}
	missing := ""
	holds := func(c *class) bool {
		for _, a := range c.must {
			if !a.virtual && !a.unkept && !a.link && len(d.entry.Attributes[a.name]) == 0 {
				missing = a.name
			}
		}
		return missing == ""
	}
	// What the class must have was there before, or an account's rules see to it.
	complete := d.class.account || d.class.each(holds)
	for _, name := range d.entry.Attributes["objectClass"] {
		if c := d.tree.schema.class(name); c != nil && c.kind == auxiliaryClass && !d.class.account {
			complete = complete && c.each(holds)
		}
	}
	if !complete {
		return refuse(ldap.LDAPResultObjectClassViolation, "00002014", "an entry of this class must have "+missing)
	}
	return nil
}

// inRange holds a value against what the schema says of its size: of a number itself, of text in UTF-16 code units, of all
// else in bytes.
func (a *attribute) inRange(value string) bool {
	size := int64(len(value))
	switch a.syntax {
	case integer:
		number, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return false
		}
		size = number
	case boolean, moment, dn, sid:
		return true
	case text, exact:
		size = 0
		for _, r := range value {
			size += int64(utf16.RuneLen(r))
		}
	}
	return size >= a.low && size <= a.high
}
