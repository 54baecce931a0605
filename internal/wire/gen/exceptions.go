package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func writeExceptions(b *bytes.Buffer, ds, data *model) error {
	dsNames, dsStatus := ds.exceptions()
	dataNames, dataStatus := data.exceptions()
	all := map[string]bool{}
	for _, name := range slices.Concat(dsNames, dataNames) {
		all[name] = true
	}
	b.WriteString("package fault\n\n// The exceptions that the models of ds and ds-data declare.\nconst (\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		short, ok := strings.CutSuffix(name, "Exception")
		if !ok {
			return fmt.Errorf("the exception %s has another ending", name)
		}
		fmt.Fprintf(b, "%s = %q\n", short, name)
	}
	b.WriteString(")\n\n// modelled is the HTTP status of each exception that a service's model declares.\n")
	b.WriteString("var modelled = map[string]map[string]int{\n")
	for _, service := range []struct {
		name   string
		codes  []string
		status map[string]int
	}{{"ds", dsNames, dsStatus}, {"ds-data", dataNames, dataStatus}} {
		fmt.Fprintf(b, "%q: {\n", service.name)
		for _, code := range service.codes {
			fmt.Fprintf(b, "%s: %d,\n", strings.TrimSuffix(code, "Exception"), service.status[code])
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return nil
}
