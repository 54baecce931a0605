package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func writeExceptions(b *bytes.Buffer, services []service) error {
	all := map[string]bool{}
	for _, of := range services {
		names, _ := of.api.exceptions()
		for _, name := range names {
			all[name] = true
		}
	}
	b.WriteString("package fault\n\n// The exceptions that the models of the services declare.\nconst (\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		short, ok := strings.CutSuffix(name, "Exception")
		if !ok {
			return fmt.Errorf("the exception %s has another ending", name)
		}
		fmt.Fprintf(b, "%s = %q\n", short, name)
	}
	b.WriteString(")\n\n// modelled is the HTTP status of each exception that a service's model declares.\n")
	b.WriteString("var modelled = map[string]map[string]int{\n")
	for _, of := range services {
		names, status := of.api.exceptions()
		fmt.Fprintf(b, "%q: {\n", of.name)
		for _, code := range names {
			fmt.Fprintf(b, "%s: %d,\n", strings.TrimSuffix(code, "Exception"), status[code])
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return nil
}
