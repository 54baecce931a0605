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

func writeTables(b *bytes.Buffer, of service, reachable []string) error {
	m := of.api
	b.WriteString("package wire\n\n")
	if m.Metadata.TargetPrefix != "" {
		fmt.Fprintf(b, "const %sTarget = %q\n\n", of.tables, m.Metadata.TargetPrefix)
	}
	fmt.Fprintf(b, "var %sOperations = map[string]*operation{\n", of.tables)
	for _, op := range m.operations() {
		fmt.Fprintf(b, "%q: {input: %q, output: %q, errors: []string{", op.Name, op.Input.Shape, op.Output.Shape)
		for _, e := range op.Errors {
			fmt.Fprintf(b, "%q, ", e.Shape)
		}
		b.WriteString("}")
		if op.HTTP.Path != "" && op.HTTP.Path != "/" {
			fmt.Fprintf(b, ", path: %q", op.HTTP.Path)
		}
		b.WriteString("},\n")
	}
	fmt.Fprintf(b, "}\n\nvar %sShapes = map[string]*shape{\n", of.tables)
	for _, name := range reachable {
		s := m.Shapes[name]
		kind, ok := kinds[s.Type]
		if !ok {
			return fmt.Errorf("shape %s has the unknown type %s", name, s.Type)
		}
		if of.wiped && s.Sensitive && s.Type != "string" {
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
			where := "inBody"
			if inner.Query {
				where = "inQuery"
			}
			fmt.Fprintf(b, "{%q, %q, %s, %s},\n", inner.Name, inner.Shape, need, where)
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
	if s.Union {
		b.WriteString(", union: true")
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
func writeShapeTest(b *bytes.Buffer, services []service) error {
	b.WriteString("package wire_test\n\nimport (\n\"latchkey/internal/admin\"\n\"latchkey/internal/cloudtrail\"\n\"latchkey/internal/ds\"\n\"latchkey/internal/dsdata\"\n)\n\n")
	b.WriteString("// newShape makes an empty request or response by its name.\n")
	b.WriteString("var newShape = map[string]func() any{\n")
	for _, of := range services {
		for _, op := range of.api.operations() {
			for _, name := range []string{op.Input.Shape, op.Output.Shape} {
				fmt.Fprintf(b, "%q: func() any { return new(%s.%s) },\n", name, of.structs, name)
			}
		}
	}
	b.WriteString("}\n")
	return nil
}
