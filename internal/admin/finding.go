package admin

import (
	"strings"

	"latchkey/internal/directory/remote"
	"latchkey/internal/fault"
)

func findings(report remote.Report) []Finding {
	list := make([]Finding, len(report.Findings))
	for i, f := range report.Findings {
		list[i] = newFinding(f.Name, string(f.Status), f.Detail, f.Fix)
	}
	return list
}

// refusal is the exception for a domain that is not attached: a line for each check that failed, with what to do.
func refusal(report remote.Report) *fault.Error {
	lines := []string{"The domain can't be attached. These checks failed:"}
	for _, f := range report.Findings {
		if f.Status == remote.StatusFailed {
			lines = append(lines, strings.TrimSpace(f.Name+": "+strings.TrimSuffix(f.Detail, ".")+". "+f.Fix))
		}
	}
	return fault.New(fault.InvalidParameter, strings.Join(lines, "\n"))
}

func newFinding(name, status, detail, fix string) Finding {
	f := Finding{Name: &name, Status: &status, Detail: &detail}
	if fix != "" {
		f.Fix = &fix
	}
	return f
}
