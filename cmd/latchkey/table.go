package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// table writes rows of cells: on a terminal in columns that are aligned, elsewhere with a tab between cells, so that programs
// find the same columns whatever is in them. It keeps no more rows than fit its page.
type table struct {
	w       io.Writer
	aligned bool
	widths  []int
	page    [][]string
}

const rowsOfTable = 500

func newTable(w io.Writer, columns ...string) *table {
	return &table{w: w, aligned: isTerminal(w), widths: make([]int, len(columns)), page: [][]string{columns}}
}

// row adds a row. What would break it is replaced.
func (t *table) row(cells ...string) error {
	for i, cell := range cells {
		if cell = strings.ReplaceAll(text(&cell), "\n", "; "); cell == "" {
			cell = "-"
		}
		cells[i] = cell
	}
	if t.page = append(t.page, cells); len(t.page) >= rowsOfTable {
		return t.flush()
	}
	return nil
}

func (t *table) flush() error {
	for _, row := range t.page {
		for i, cell := range row {
			t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for row := range slices.Values(t.page) {
		last := len(row) - 1
		for i, cell := range row {
			text.WriteString(cell)
			switch {
			case i == last:
				text.WriteByte('\n')
			case t.aligned:
				text.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell)+2))
			default:
				text.WriteByte('\t')
			}
		}
	}
	t.page = nil
	_, err := fmt.Fprint(t.w, text.String())
	return err
}
