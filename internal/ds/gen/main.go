// Command gen writes docs/operations.md from the operation table: what each operation of Directory Service does here.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"latchkey/internal/ds"
	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FILE")
		os.Exit(2)
	}
	page, err := document()
	if err == nil {
		err = os.WriteFile(os.Args[1], page, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// document is the page: a row an operation, by its name.
func document() ([]byte, error) {
	table, err := (&ds.Service{}).Table()
	if err != nil {
		return nil, err
	}
	var rows bytes.Buffer
	count := map[operation.Status]int{}
	for _, modelled := range wire.Operations() {
		spec := table[modelled.Name]
		count[spec.Status]++
		kind := ""
		if spec.Status != operation.NotBuilt {
			kind = "write"
			if spec.Access == operation.Read {
				kind = "read"
			}
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | %s |\n", modelled.Name, spec.Status, kind, strings.Join(modelled.Errors, ", "))
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, `# Operations of AWS Directory Service

Generated from the operation table by `+"`go generate ./internal/ds`"+`. **Real**: it does on the directory what AWS does. **Not built**:
answered as AWS answers an operation that it does not know (UnknownOperationException).

Real: %d. Not built: %d.

| operation | here | access | exceptions that AWS declares |
|---|---|---|---|
`, count[operation.Real], count[operation.NotBuilt])
	page.Write(rows.Bytes())
	return page.Bytes(), nil
}
