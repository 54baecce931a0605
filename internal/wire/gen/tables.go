package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var kinds = map[string]string{
	"string": "text", "boolean": "boolean", "integer": "integer", "long": "long", "timestamp": "timestamp",
	"structure": "structure", "list": "list", "map": "dictionary",
}

func writeTables(b *bytes.Buffer, m *model, reachable []string) error {
	b.WriteString("package wire\n\n")
	b.WriteString("var dsOperations = map[string]*operation{\n")
	for _, op := range m.operations() {
		fmt.Fprintf(b, "%q: {input: %q, output: %q, errors: []string{", op.Name, op.Input.Shape, op.Output.Shape)
		for _, e := range op.Errors {
			fmt.Fprintf(b, "%q, ", e.Shape)
		}
		b.WriteString("}},\n")
	}
	b.WriteString("}\n\nvar dsShapes = map[string]*shape{\n")
	for _, name := range reachable {
		s := m.Shapes[name]
		kind, ok := kinds[s.Type]
		if !ok {
			return fmt.Errorf("shape %s has the unknown type %s", name, s.Type)
		}
		if s.Sensitive && s.Type != "string" {
			return fmt.Errorf("shape %s is sensitive and no string", name)
		}
		fmt.Fprintf(b, "%q: {kind: %s", name, kind)
		writeShape(b, s)
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return nil
}

func writeShape(b *bytes.Buffer, s *shape) {
	if len(s.Members) > 0 {
		b.WriteString(", members: []member{\n")
		for _, inner := range s.Members {
			need := "optional"
			if slices.Contains(s.Required, inner.Name) {
				need = "required"
			}
			fmt.Fprintf(b, "{%q, %q, %s},\n", inner.Name, inner.Shape, need)
		}
		b.WriteString("}")
	}
	for _, part := range []struct{ field, shape string }{{"item", s.Member.Shape}, {"key", s.Key.Shape}, {"item", s.Value.Shape}} {
		if part.shape != "" {
			fmt.Fprintf(b, ", %s: %q", part.field, part.shape)
		}
	}
	if s.Min != nil {
		fmt.Fprintf(b, ", min: new(%d)", *s.Min)
	}
	if s.Max != nil {
		fmt.Fprintf(b, ", max: new(%d)", *s.Max)
	}
	if s.Pattern != "" {
		fmt.Fprintf(b, ", pattern: %s", literal(s.Pattern))
	}
	if len(s.Enum) > 0 {
		fmt.Fprintf(b, ", enum: []string{%s}", quoted(s.Enum))
	}
	if s.Sensitive {
		b.WriteString(", sensitive: true")
	}
}

func literal(s string) string {
	if strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func quoted(list []string) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, strconv.Quote(s))
	}
	return strings.Join(parts, ", ")
}

// writeShapeTest is what the tests of package wire need to make any request or response by its name.
func writeShapeTest(b *bytes.Buffer, m *model) error {
	b.WriteString("package wire_test\n\nimport \"latchkey/internal/ds\"\n\n")
	b.WriteString("// newShape makes an empty request or response of the ds API by its name.\n")
	b.WriteString("var newShape = map[string]func() any{\n")
	for _, op := range m.operations() {
		for _, name := range []string{op.Input.Shape, op.Output.Shape} {
			fmt.Fprintf(b, "%q: func() any { return new(ds.%s) },\n", name, name)
		}
	}
	b.WriteString("}\n")
	return nil
}
