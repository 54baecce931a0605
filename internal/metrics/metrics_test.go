package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

var end = time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)

func sources() Sources {
	return Sources{
		Audit:        func() Audit { return Audit{Records: 70, Unsealed: 3, Trouble: true} },
		Store:        func(context.Context) (Store, error) { return Store{Revision: 9, Size: 4096, InUse: 1024}, nil },
		Sinks:        func() map[string]Sink { return map[string]Sink{"stdout": {Lag: 5, Up: true}} },
		Directories:  func() map[Directories]int { return map[Directories]int{{"embedded", "Active"}: 2} },
		Certificates: func() map[string]time.Time { return map[string]time.Time{"ldap": end} },
		Limits:       func() map[string]Limit { return map[string]Limit{OfLDAP + "connections": {Used: 4, Max: 4096}} },
	}
}

// busy is Metrics of a server to which everything has happened.
func busy() *Metrics {
	m := New(sources())
	m.RequestBegan()
	m.RequestBegan()
	m.RequestBegan()
	m.RequestEnded("ds", "ResetUserPassword", "OK", "", 30*time.Millisecond)
	m.RequestEnded("ds", "", "ThrottlingException", "key", time.Millisecond)
	m.EngineAnswered("embedded", "search", "0", time.Millisecond)
	m.LDAP().Answered("bind", 49, time.Millisecond)
	m.LDAP().Refused("connections")
	m.Kerberos().Answered("AS", 24, time.Millisecond)
	m.Kerberos().Refused("connections")
	m.Kerberos().Refused("requests")
	m.AuditWrote(time.Millisecond, nil)
	m.AuditWrote(time.Millisecond, errors.New("full"))
	return m
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("%d: %s", recorder.Code, recorder.Body)
	}
	return recorder.Body.String()
}

func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func TestValues(t *testing.T) {
	text := scrape(t, busy())
	for _, line := range []string{
		`latchkey_audit_sink_lag_records{sink="stdout"} 5`,
		`latchkey_audit_sink_up{sink="stdout"} 1`,
		`latchkey_requests_total{code="OK",operation="ResetUserPassword",service="ds"} 1`,
		`latchkey_requests_total{code="ThrottlingException",operation="unknown",service="ds"} 1`,
		`latchkey_request_duration_seconds_bucket{operation="ResetUserPassword",service="ds",le="0.025"} 0`,
		`latchkey_request_duration_seconds_bucket{operation="ResetUserPassword",service="ds",le="0.05"} 1`,
		`latchkey_requests_in_flight 1`,
		`latchkey_engine_requests_total{engine="embedded",result="0",verb="search"} 1`,
		`latchkey_ldap_requests_total{operation="bind",result="49"} 1`,
		`latchkey_kerberos_requests_total{code="24",message="AS"} 1`,
		`latchkey_limit_refused_total{limit="key"} 1`,
		`latchkey_limit_refused_total{limit="ldap_connections"} 1`,
		`latchkey_limit_refused_total{limit="kerberos_connections"} 1`,
		`latchkey_limit_refused_total{limit="kerberos_requests"} 1`,
		`latchkey_limit_used{limit="ldap_connections"} 4`,
		`latchkey_limit_max{limit="ldap_connections"} 4096`,
		`latchkey_audit_records_total 70`,
		`latchkey_audit_unsealed_records 3`,
		`latchkey_audit_trouble 1`,
		`latchkey_audit_write_failures_total 1`,
		`latchkey_audit_write_duration_seconds_count 2`,
		`latchkey_store_up 1`,
		`latchkey_store_revision 9`,
		`latchkey_store_size_bytes 4096`,
		`latchkey_store_in_use_bytes 1024`,
		`latchkey_directories{engine="embedded",stage="Active"} 2`,
		fmt.Sprintf(`latchkey_certificate_expiry_timestamp_seconds{certificate="ldap"} %s`, "1.8038592e+09"),
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestStoreIsGone: a store that does not answer takes its own metrics away, and no others.
func TestStoreIsGone(t *testing.T) {
	from := sources()
	from.Store = func(ctx context.Context) (Store, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the store may take for ever")
		}
		return Store{}, errors.New("gone")
	}
	text := scrape(t, New(from))
	if !strings.Contains(text, "latchkey_store_up 0\n") || strings.Contains(text, "latchkey_store_size_bytes") || !strings.Contains(text, "latchkey_audit_records_total 70\n") {
		t.Error(text)
	}
}

func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(scrape(t, busy()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

type row struct{ kind, labels string }

var tableRow = regexp.MustCompile("(?m)^\\| `(latchkey_[a-z_]+)` \\| (counter|gauge|histogram) \\|([^|]*)\\| [^|]+ \\| [^|]+ \\|$")

// TestDocumented holds docs/metrics.md against what is exported, both ways.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]row{}
	for _, found := range tableRow.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for label := range strings.SplitSeq(found[3], ",") {
			if label = strings.Trim(label, " `"); label != "" {
				labels = append(labels, label)
			}
		}
		slices.Sort(labels)
		documented[found[1]] = row{found[2], strings.Join(labels, " ")}
	}
	exported := map[string]row{}
	for name, family := range parse(t, scrape(t, busy())) {
		if !strings.HasPrefix(name, "latchkey_") {
			continue
		}
		var labels []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		slices.Sort(labels)
		exported[name] = row{strings.ToLower(family.GetType().String()), strings.Join(labels, " ")}
	}
	if len(exported) == 0 {
		t.Fatal("nothing is exported")
	}
	if diff := cmp.Diff(documented, exported, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("docs/metrics.md and what is exported differ (-documented +exported):\n%s", diff)
	}
}

// series are the names that a query can ask for.
func series(t *testing.T) []string {
	t.Helper()
	names := []string{"up"}
	for name, family := range parse(t, scrape(t, busy())) {
		names = append(names, name)
		if family.GetType() == dto.MetricType_HISTOGRAM {
			names = append(names, name+"_bucket", name+"_count", name+"_sum")
		}
	}
	return names
}

var asked = regexp.MustCompile(`\b(?:latchkey|go|process)_[a-z0-9_]+\b`)

// checkQuery says whether all that a query asks for is exported.
func checkQuery(t *testing.T, where, query string, names []string) {
	t.Helper()
	found := asked.FindAllString(query, -1)
	if len(found) == 0 && !strings.Contains(query, "up{") {
		t.Errorf("%s asks for no metric: %s", where, query)
	}
	for _, name := range found {
		if !slices.Contains(names, name) {
			t.Errorf("%s asks for %s, which is not exported", where, name)
		}
	}
}

// TestDashboard: Grafana can import it, and every metric that it shows exists.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/latchkey.json")
	if err != nil {
		t.Fatal(err)
	}
	type datasource struct{ Type, UID string }
	var board struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
		Panels []struct {
			ID          int
			Type, Title string
			Datasource  datasource
			GridPos     struct{ H, W, X, Y int }
			Targets     []struct {
				Expr, RefID string
				Datasource  datasource
			}
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || board.SchemaVersion < 30 || len(board.UID) > 40 {
		t.Errorf("uid %q, title %q, schema %d", board.UID, board.Title, board.SchemaVersion)
	}
	if len(board.Templating.List) == 0 || board.Templating.List[0].Type != "datasource" || board.Templating.List[0].Query != any("prometheus") || board.Templating.List[0].Name != "datasource" {
		t.Errorf("the first variable does not choose the data source: %+v", board.Templating.List)
	}
	names, ids, shown := series(t), map[int]bool{}, ""
	type cell struct{ x, y int }
	taken := map[cell]string{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: the id %d is not its own", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.W <= 0 || p.GridPos.H <= 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: %+v is not within the grid", p.Title, p.GridPos)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[cell{x, y}]; ok {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[cell{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || len(p.Targets) == 0 || p.Datasource != (datasource{"prometheus", "${datasource}"}) {
			t.Errorf("panel %d %q: data source %+v, %d targets", p.ID, p.Title, p.Datasource, len(p.Targets))
		}
		for _, target := range p.Targets {
			checkQuery(t, p.Title, target.Expr, names)
			shown += target.Expr + "\n"
			if target.RefID == "" || target.Datasource != p.Datasource {
				t.Errorf("%s: a target has no refId or another data source", p.Title)
			}
		}
	}
	for _, name := range []string{
		"latchkey_requests_total", "latchkey_request_duration_seconds_bucket", "latchkey_engine_requests_total", "latchkey_ldap_requests_total",
		"latchkey_kerberos_requests_total", "latchkey_audit_trouble", "latchkey_limit_used", "latchkey_limit_refused_total", "latchkey_store_up",
	} {
		if !strings.Contains(shown, name) {
			t.Errorf("it does not show %s", name)
		}
	}
}

func TestRules(t *testing.T) {
	text, err := os.ReadFile("../../deploy/prometheus/latchkey.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	names, alerts := series(t), map[string]bool{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			checkQuery(t, rule.Alert, rule.Expr, names)
			if alerts[rule.Alert] || rule.Alert == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%q: two of that name, or without a severity or a summary", rule.Alert)
			}
			if _, err := model.ParseDuration(rule.For); rule.For != "" && err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
			}
			alerts[rule.Alert] = true
		}
	}
	if len(alerts) == 0 {
		t.Fatal("no alert found")
	}
}
