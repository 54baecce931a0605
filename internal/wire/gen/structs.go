package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

var scalars = map[string]string{"string": "string", "boolean": "bool", "integer": "int32", "long": "int64", "timestamp": "wire.Timestamp"}

func writeStructs(b *bytes.Buffer, of service, reachable []string) error {
	m := of.api
	fmt.Fprintf(b, "package %s\n\n", of.structs)
	if slices.ContainsFunc(reachable, func(name string) bool {
		return of.wiped && m.Shapes[name].Sensitive || m.Shapes[name].Type == "timestamp"
	}) {
		b.WriteString("import \"latchkey/internal/wire\"\n\n")
	}
	role := map[string]string{}
	for _, op := range m.operations() {
		role[op.Input.Shape] = "is the request of " + op.Name
		role[op.Output.Shape] = "is the response of " + op.Name
	}
	taken := map[string]bool{}
	for _, name := range reachable {
		s := m.Shapes[name]
		switch {
		case s.Type == "structure":
			doc, ok := role[name]
			if !ok {
				doc = "is a structure of the API"
			}
			if err := writeStruct(b, of, name, doc); err != nil {
				return err
			}
			if taken[name] {
				return fmt.Errorf("the name %s is taken twice", name)
			}
			taken[name] = true
		case len(s.Enum) > 0:
			fmt.Fprintf(b, "// The values of %s.\nconst (\n", name)
			for _, value := range s.Enum {
				constant := name + identifier(value)
				if taken[constant] {
					return fmt.Errorf("the name %s is taken twice", constant)
				}
				taken[constant] = true
				fmt.Fprintf(b, "%s = %q\n", constant, value)
			}
			b.WriteString(")\n\n")
		}
	}
	return nil
}

func writeStruct(b *bytes.Buffer, of service, name, doc string) error {
	fmt.Fprintf(b, "// %s %s.\ntype %s struct {", name, doc, name)
	for i, inner := range of.api.Shapes[name].Members {
		if i == 0 {
			b.WriteString("\n")
		}
		goType, omit, err := fieldType(of, inner.Shape)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, inner.Name, err)
		}
		fmt.Fprintf(b, "%s %s `json:\"%s,%s\"`\n", inner.Name, goType, inner.Name, omit)
	}
	b.WriteString("}\n\n")
	return nil
}

// fieldType is the Go type of a structure's member of that shape, and how encoding/json is told to leave it out.
func fieldType(of service, name string) (goType, omit string, err error) {
	s := of.api.Shapes[name]
	switch s.Type {
	case "list", "map":
		goType, err = itemType(of, name)
		return goType, "omitempty", err
	case "structure":
		return "*" + name, "omitempty", nil
	}
	if of.wiped && s.Sensitive {
		return "wire.Secret", "omitzero", nil
	}
	goType, ok := scalars[s.Type]
	if !ok {
		return "", "", fmt.Errorf("shape %s has the unknown type %s", name, s.Type)
	}
	return "*" + goType, "omitempty", nil
}

func itemType(of service, name string) (string, error) {
	s := of.api.Shapes[name]
	switch s.Type {
	case "list":
		item, err := itemType(of, s.Member.Shape)
		return "[]" + item, err
	case "map":
		value, err := itemType(of, s.Value.Shape)
		return "map[string]" + value, err
	case "structure":
		return name, nil
	}
	if of.wiped && s.Sensitive {
		return "wire.Secret", nil
	}
	goType, ok := scalars[s.Type]
	if !ok {
		return "", fmt.Errorf("shape %s has the unknown type %s", name, s.Type)
	}
	return goType, nil
}

// identifier is an enum's value as the end of a Go name: "One-Way: Outgoing" becomes OneWayOutgoing.
func identifier(value string) string {
	words := strings.FieldsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}
