package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// TestAlerts: Prometheus can read the alerts.
func TestAlerts(t *testing.T) {
	said, err := exec.CommandContext(t.Context(), promtool(t), "check", "rules", "../../deploy/prometheus/latchkey.rules.yaml").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "rules found") {
		t.Errorf("%v: %s", err, said)
	}
}

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
