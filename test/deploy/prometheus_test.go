package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// promtool is Prometheus' own check of what it is to read.
func promtool(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	unpacked := filepath.Join(cache, "latchkey-e2e", "prometheus", "usr", "bin", "promtool")
	if _, err := os.Stat(unpacked); err == nil {
		return unpacked
	}
	path, err := exec.LookPath("promtool")
	if err == nil {
		return path
	}
	const missing = "promtool is missing (hint: make prepare, or apt-get install prometheus)"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// TestAlerts: each alert is raised when it should be, and none at a server that is well.
func TestAlerts(t *testing.T) {
	rules, err := filepath.Abs("../../deploy/prometheus/latchkey.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile("testdata/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := alert.FindAllSubmatch(text, -1)
	if len(alerts) == 0 {
		t.Fatal("no alert found")
	}
	for _, each := range alerts {
		if n := bytes.Count(cases, fmt.Appendf(nil, "alertname: %s", each[1])); n != 2 {
			t.Errorf("%s has %d cases, want one that raises it and one that does not", each[1], n)
		}
	}
	path := filepath.Join(t.TempDir(), "cases.yaml")
	if err := os.WriteFile(path, bytes.Replace(cases, []byte("RULES"), []byte(rules), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), promtool(t), "test", "rules", path).CombinedOutput()
	if err != nil || !bytes.Contains(said, []byte("SUCCESS")) {
		t.Errorf("%v: %s", err, said)
	}
}

var alert = regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)

// TestDashboardQueries: what the dashboard asks is PromQL, once Grafana has put its variables in.
func TestDashboardQueries(t *testing.T) {
	tool := promtool(t)
	text, err := os.ReadFile("../../deploy/grafana/latchkey.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			rules = append(rules, rule{fmt.Sprint("query:", len(rules)), strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$job", ".*").Replace(target.Expr)})
		}
	}
	if len(rules) == 0 {
		t.Fatal("no query found")
	}
	// JSON is YAML.
	file, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), tool, "check", "rules", "--lint=none", path).CombinedOutput()
	if err != nil || !bytes.Contains(said, fmt.Appendf(nil, "%d rules found", len(rules))) {
		t.Errorf("%v: %s", err, said)
	}
}
