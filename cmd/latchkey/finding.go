package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"latchkey/internal/admin"
)

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// colours are how a terminal tells the marks apart at a glance; the words say the same.
var colours = map[string]string{
	admin.FindingStatusOk: "\x1b[32m", admin.FindingStatusWarning: "\x1b[33m", admin.FindingStatusFailed: "\x1b[31;1m", admin.FindingStatusSkipped: "\x1b[2m",
}

// writeFindings prints what a check has found, a line or more for each, and says how many have failed.
func writeFindings(w io.Writer, findings []admin.Finding) (failed int) {
	coloured := isTerminal(w) && os.Getenv("NO_COLOR") == ""
	statuses, names := 0, 0
	for _, f := range findings {
		statuses, names = max(statuses, len(text(f.Status))), max(names, len(text(f.Name)))
	}
	for _, f := range findings {
		status := text(f.Status)
		if status == admin.FindingStatusFailed {
			failed++
		}
		mark := fmt.Sprintf("%-*s", statuses, status)
		if coloured {
			mark = colours[status] + mark + "\x1b[0m"
		}
		indent := strings.Repeat(" ", statuses+2+names+2)
		detail := strings.ReplaceAll(text(f.Detail), "\n", "\n"+indent)
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s  %-*s  %s", mark, names, text(f.Name), detail), " "))
		// Fixes may be long commands: they begin further left.
		indent = strings.Repeat(" ", statuses+2)
		if fix := text(f.Fix); fix != "" {
			fmt.Fprintf(w, "%sfix: %s\n", indent, strings.ReplaceAll(fix, "\n", "\n"+indent))
		}
	}
	return failed
}

// text is a member of an answer as a terminal may show it: what a domain's administrator wrote must not steer it.
func text(member *string) string {
	if member == nil {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, *member)
}

// progress tells on a terminal what is being waited for, until it is stopped.
func progress(w io.Writer, what string) (stop func()) {
	if !isTerminal(w) {
		return func() {}
	}
	ended, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		started := time.Now()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			fmt.Fprintf(w, "\r%s… %d s", what, int(time.Since(started).Seconds()))
			select {
			case <-ended:
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(ended); <-gone }
}
