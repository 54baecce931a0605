// Command gen writes docs/operations.md from the operation tables: what each operation of Directory Service and of Directory
// Service Data does here, what Latchkey's own operations are, and what of CloudTrail there is.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"latchkey/internal/admin"
	"latchkey/internal/cloudtrail"
	"latchkey/internal/ds"
	"latchkey/internal/dsdata"
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
	aws, err := (&ds.Service{}).Table()
	if err != nil {
		return nil, err
	}
	data, err := (&dsdata.Service{}).Table()
	if err != nil {
		return nil, err
	}
	own, err := (&admin.Service{}).Table()
	if err != nil {
		return nil, err
	}
	trail, err := (&cloudtrail.Service{}).Table()
	if err != nil {
		return nil, err
	}
	count := map[operation.Status]int{}
	for _, spec := range aws {
		count[spec.Status]++
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, `# Operations of AWS Directory Service

Generated from the operation table by `+"`go generate ./internal/ds`"+`. **Real**: it does on the directory what AWS does. **Recorded**: it
keeps what it is given, validated, and gives it back faithfully; nothing outside changes. **Refused**: it answers with the
exception that AWS has for it, always. **Not built**: answered as AWS answers an operation that it does not know
(UnknownOperationException).

Real: %d. Recorded: %d. Refused: %d. Not built: %d.

| operation | here | access | note | exceptions that AWS declares |
|---|---|---|---|---|
`, count[operation.Real], count[operation.Recorded], count[operation.Refused], count[operation.NotBuilt])
	for _, modelled := range wire.DS.Operations() {
		spec := aws[modelled.Name]
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", modelled.Name, spec.Status, access(spec), spec.Note, strings.Join(modelled.Errors, ", "))
	}
	page.WriteString(`
# Operations of AWS Directory Service Data

REST with JSON on the same address, signed for ds-data: users and groups of a Managed Microsoft AD whose data access is enabled
(ds EnableDirectoryDataAccess). Every call needs ds:AccessDSData besides its own permission; a search that of the description,
too.

| operation | here | access | input | exceptions that AWS declares |
|---|---|---|---|---|
`)
	for _, modelled := range wire.DSData.Operations() {
		spec := data[modelled.Name]
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", modelled.Name, spec.Status, access(spec), list(wire.DSData.Members(modelled.Input)), strings.Join(modelled.Errors, ", "))
	}
	fmt.Fprintf(&page, `
# Operations of Latchkey

What an operator does and AWS has no operation for. They are called as the others are, on the same address and signed for
ds, with the X-Amz-Target %s…; permissions name them latchkey:…, and the audit trail has the eventSource
latchkey. `+"`latchkey directory`"+` calls them. The model is internal/wire/model/latchkey.json.

| operation | access | input | output | exceptions |
|---|---|---|---|---|
`, "`"+wire.Latchkey.Target("")+"`")
	for _, modelled := range wire.Latchkey.Operations() {
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", modelled.Name, access(own[modelled.Name]),
			list(wire.Latchkey.Members(modelled.Input)), list(wire.Latchkey.Members(modelled.Output)), strings.Join(modelled.Errors, ", "))
	}
	page.WriteString(`
# Operations of AWS CloudTrail

JSON 1.1 on the same address, signed for cloudtrail: what reads the audit trail (see [audit.md](audit.md)).

| operation | here | access | input | exceptions that AWS declares |
|---|---|---|---|---|
`)
	for _, modelled := range wire.CloudTrail.Operations() {
		spec := trail[modelled.Name]
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", modelled.Name, spec.Status, access(spec), list(wire.CloudTrail.Members(modelled.Input)), strings.Join(modelled.Errors, ", "))
	}
	return page.Bytes(), nil
}

func access(spec operation.Spec) string {
	switch {
	case spec.Run == nil:
		return ""
	case spec.Access == operation.Read:
		return "read"
	}
	return "write"
}

// list is the members of a structure, required ones in bold.
func list(members []wire.Member) string {
	var names []string
	for _, member := range members {
		if name := member.Name; member.Required {
			names = append(names, "**"+name+"**")
		} else {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
