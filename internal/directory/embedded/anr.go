package embedded

import "strings"

// compileANR is ambiguous name resolution (MS-ADTS section 3.1.1.3.1.3.5): "anr=x" means entries of which one of the naming
// attributes begins with x, or is x where it is written "=x". Of two words one may be the given name and the other the
// surname.
func (t *tree) compileANR(value string) predicate {
	exactly := strings.HasPrefix(value, "=")
	value = strings.TrimSpace(strings.TrimPrefix(value, "="))
	if value == "" {
		return undefined{}
	}
	names := func(a *attribute, value string) predicate {
		normal, err := a.normalize(value)
		switch {
		case err != nil:
			return undefined{}
		case exactly:
			return equal{a, normal}
		}
		return substrings{attribute: a, initial: normal}
	}
	var either anyOf
	for _, a := range t.schema.ambiguous {
		either = append(either, names(a, value))
	}
	if first, second, two := strings.Cut(value, " "); two {
		given, surname := t.schema.attribute("givenName"), t.schema.attribute("sn")
		second = strings.TrimSpace(second)
		either = append(either, all{names(given, first), names(surname, second)}, all{names(surname, first), names(given, second)})
	}
	return either
}
