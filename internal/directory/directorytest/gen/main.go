// Command gen writes docs/engines.md from the conformance suite: which rules each engine keeps, and where one differs, why.
package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"latchkey/internal/directory/directorytest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], document(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// document is the page: a table a topic, a row a rule, a column an engine; the reasons are footnotes.
func document() []byte {
	var tables bytes.Buffer
	var reasons []string
	rules := 0
	for _, topic := range directorytest.Topics() {
		fmt.Fprintf(&tables, "\n## %s\n\n| rule | %s |\n|---|%s\n", topic.Name, strings.Join(topic.Engines(), " | "), strings.Repeat("---|", len(topic.Engines())))
		for _, s := range topic.Scenarios {
			rules++
			row := []string{cell(s.Rule)}
			if s.Kind != "" {
				row[0] += " (" + string(s.Kind) + ")"
			}
			for _, engine := range topic.Engines() {
				mark := "yes"
				for _, d := range directorytest.Differences(engine, topic.Name+"/"+s.Rule) {
					if !slices.Contains(reasons, d.Reason) {
						reasons = append(reasons, d.Reason)
					}
					mark = fmt.Sprintf("no[^%d]", slices.Index(reasons, d.Reason)+1)
					if d.Kind != "" {
						mark += " (" + string(d.Kind) + ")"
					}
				}
				row = append(row, mark)
			}
			fmt.Fprintf(&tables, "| %s |\n", strings.Join(row, " | "))
		}
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, `# What each engine keeps

Generated from the conformance suite by `+"`go generate ./internal/directory/directorytest`"+`. Every rule is a scenario that runs on
every engine, for either kind of directory that it concerns. **embedded** is Latchkey's own directory, **samba** a domain
controller that Latchkey runs, **remote** a domain that somebody else runs, reached over LDAPS; the last two are judged on
Samba 4.17. Where an engine differs, the scenario checks that it differs so and not otherwise. The Kerberos of a remote domain
is its own affair.

%d rules.
`, rules)
	page.Write(tables.Bytes())
	page.WriteString("\n")
	for i, reason := range reasons {
		fmt.Fprintf(&page, "[^%d]: %s.\n", i+1, reason)
	}
	return page.Bytes()
}

// cell is a text within a Markdown table.
func cell(text string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`, "~", `\~`, "$", `\$`).Replace(text)
}
