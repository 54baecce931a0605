package e2e

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	krbclient "github.com/jcmturner/gokrb5/v8/client"
	krbconfig "github.com/jcmturner/gokrb5/v8/config"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prometheus "github.com/prometheus/common/model"

	"latchkey/internal/config"
)

// scrape is what Prometheus gets, and reads.
func scrape(t *testing.T, s *server) (text string, families map[string]*dto.MetricFamily) {
	t.Helper()
	answer, err := http.Get(s.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v: %s", answer.StatusCode, err, body)
	}
	parser := expfmt.NewTextParser(prometheus.UTF8Validation)
	families, err = parser.TextToMetricFamilies(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return string(body), families
}

// sum is that of all series of a family with these labels: name, value, name, value, ….
func sum(families map[string]*dto.MetricFamily, family string, labels ...string) (total float64) {
	for _, m := range families[family].GetMetric() {
		has := map[string]string{}
		for _, pair := range m.GetLabel() {
			has[pair.GetName()] = pair.GetValue()
		}
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && has[labels[i]] == labels[i+1]
		}
		if fits {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return total
}

// TestMetrics: what clients of all kinds do is counted, and nothing that they send is told.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) {
		c.MetricsListen, c.ThrottleUser, c.ThrottleAccount = "127.0.0.1:0", "0.001:2", "0.001:2"
	})
	_, before := scrape(t, s)
	sdk := goClient(t, s)
	sdk(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	commandLine(t, s)(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	if a := sdk(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)); a.Exception != "ThrottlingException" {
		t.Fatal(a)
	}
	if a := sdk(t, home, "ResetUserPassword", reset(corpID, "nobodyofthatname", nextPassword)); a.Exception != "UserDoesNotExistException" {
		t.Fatal(a)
	}
	for _, target := range []string{"DirectoryService_20150416.Evil1", "DirectoryService_20150416.Evil2", "Evil3.Evil4"} {
		request, err := http.NewRequest(http.MethodPost, s.API, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Amz-Target", target)
		request.Header.Set("Content-Type", "application/x-amz-json-1.1")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
	}
	answer, err := http.PostForm(s.API, url.Values{"Action": {"Evil5"}, "Version": {"2011-06-15"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	who := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), "--endpoint-url", s.API, "--region", home, "sts", "get-caller-identity")
	who.Env = environment(t, s)
	if said, err := who.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if said, code := openldap(t, s, "ldapwhoami", "", "-D", `CORP\jane`, "-w", nextPassword); code != 0 {
		t.Fatal(said)
	}
	for range 2 {
		if said, code := openldap(t, s, "ldapwhoami", "", "-D", `CORP\jane`, "-w", firstPassword); code != 49 {
			t.Fatalf("%d: %s", code, said)
		}
	}
	if said, code := openldap(t, s, "ldapwhoami", "", "-D", `CORP\jane`, "-w", nextPassword); code != 51 {
		t.Fatalf("after two wrong passwords: %d: %s", code, said)
	}
	settings, err := krbconfig.NewFromString("[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n udp_preference_limit = 1\n dns_lookup_kdc = false\n[realms]\n CORP.EXAMPLE.COM = {\n  kdc = " + s.KDC + "\n  kpasswd_server = " + s.Kpasswd + "\n }\n")
	if err != nil {
		t.Fatal(err)
	}
	user := krbclient.NewWithPassword("kim.cli", "CORP.EXAMPLE.COM", firstPassword, settings, krbclient.DisablePAFXFAST(true))
	if err := user.Login(); err != nil {
		t.Fatal(err)
	}
	if ok, err := user.ChangePasswd(marker + "-third-Lamp"); ok || err == nil || !strings.Contains(err.Error(), "minPwdAge") {
		t.Fatal(ok, err)
	}
	if err := krbclient.NewWithPassword("nobody", "CORP.EXAMPLE.COM", nextPassword, settings, krbclient.DisablePAFXFAST(true)).Login(); err == nil {
		t.Fatal("nobody has logged in")
	}

	var text string
	var after map[string]*dto.MetricFamily
	// The last call is counted once its client has the answer, and the record of a read is written a moment later.
	await(t, "the count of all calls", func() bool {
		text, after = scrape(t, s)
		return sum(after, "latchkey_requests_total") == 9 && sum(after, "latchkey_requests_in_flight") == 0 && sum(after, "latchkey_limit_used", "limit", "ldap_connections") == 0
	})
	for _, want := range []struct {
		family string
		labels []string
		value  float64
	}{
		{"latchkey_requests_total", []string{"service", "ds", "operation", "ResetUserPassword", "code", "OK"}, 2},
		{"latchkey_requests_total", []string{"operation", "ResetUserPassword", "code", "ThrottlingException"}, 1},
		{"latchkey_requests_total", []string{"operation", "ResetUserPassword", "code", "UserDoesNotExistException"}, 1},
		{"latchkey_requests_total", []string{"operation", "unknown", "code", "UnknownOperationException"}, 3},
		{"latchkey_requests_total", []string{"service", "sts", "operation", "GetCallerIdentity", "code", "OK"}, 1},
		{"latchkey_requests_total", []string{"service", "sts", "operation", "unknown", "code", "InvalidAction"}, 1},
		{"latchkey_request_duration_seconds", []string{"operation", "ResetUserPassword"}, 4},
		{"latchkey_limit_refused_total", []string{"limit", "user"}, 1},
		{"latchkey_limit_refused_total", []string{"limit", "account"}, 1},
		{"latchkey_limit_max", []string{"limit", "api_connections"}, 4096},
		{"latchkey_limit_max", []string{"limit", "kerberos_connections"}, 1024},
		{"latchkey_limit_max", []string{"limit", "key_derivations"}, float64(runtime.GOMAXPROCS(0))},
		{"latchkey_limit_max", []string{"limit", "waiting_logins"}, 4096},
		{"latchkey_ldap_requests_total", []string{"operation", "bind", "result", "0"}, 1},
		{"latchkey_ldap_requests_total", []string{"operation", "bind", "result", "49"}, 2},
		{"latchkey_ldap_requests_total", []string{"operation", "bind", "result", "51"}, 1},
		{"latchkey_ldap_requests_total", []string{"operation", "extended", "result", "0"}, 1},
		{"latchkey_kerberos_requests_total", []string{"message", "AS", "code", "0"}, 2}, // for krbtgt and for kadmin/changepw
		{"latchkey_kerberos_requests_total", []string{"message", "kpasswd", "code", "4"}, 1},
		{"latchkey_kerberos_requests_total", []string{"message", "AS", "code", "6"}, 1},
		{"latchkey_directories", []string{"engine", "embedded", "stage", "Active"}, 3},
		{"latchkey_limit_max", []string{"limit", "ldap_connections"}, 4096},
		{"latchkey_store_up", nil, 1},
		{"latchkey_audit_trouble", nil, 0},
		{"latchkey_audit_write_failures_total", nil, 0},
		{"latchkey_build_info", nil, 1},
	} {
		if got := sum(after, want.family, want.labels...); got != want.value {
			t.Errorf("%s %v is %v, want %v", want.family, want.labels, got, want.value)
		}
	}
	// The seed was written by way of the engine, too.
	modify := []string{"engine", "embedded", "verb", "modify", "result", "0"}
	if n := sum(after, "latchkey_engine_requests_total", modify...) - sum(before, "latchkey_engine_requests_total", modify...); n != 2 {
		t.Errorf("%v modifies, want 2", n)
	}
	if records := sum(after, "latchkey_audit_records_total") - sum(before, "latchkey_audit_records_total"); records != 5 {
		t.Errorf("%v records, want 5", records)
	}
	await(t, "the digest of all records", func() bool {
		_, after = scrape(t, s)
		return sum(after, "latchkey_audit_unsealed_records") == 0
	})
	for _, grown := range []string{"latchkey_store_revision", "latchkey_audit_write_duration_seconds", "latchkey_engine_request_duration_seconds", "latchkey_kerberos_request_duration_seconds"} {
		if sum(after, grown) <= sum(before, grown) {
			t.Errorf("%s has not grown", grown)
		}
	}
	if size, used := sum(after, "latchkey_store_size_bytes"), sum(after, "latchkey_store_in_use_bytes"); size <= 0 || used <= 0 || used > size {
		t.Errorf("%v of %v bytes are in use", used, size)
	}
	if ends := time.Unix(int64(sum(after, "latchkey_certificate_expiry_timestamp_seconds", "certificate", "ldap")), 0); ends.Before(time.Now()) {
		t.Errorf("LDAP's certificate has ended at %s", ends)
	}
	key, _ := s.root()
	for _, secret := range []string{marker, "jane", "nobody", "Evil", key, "127.0.0.1", corpID} {
		if strings.Contains(text, secret) {
			t.Errorf("the metrics have %q in them", secret)
		}
	}
	documented, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range after {
		if strings.HasPrefix(name, "latchkey_") && !strings.Contains(string(documented), "`"+name+"`") {
			t.Errorf("%s is not in docs/metrics.md", name)
		}
	}
	for path, want := range map[string]bool{s.API + "/metrics": false, s.Metrics: true, strings.TrimSuffix(s.Metrics, "metrics") + "debug/pprof/": false} {
		answer, err := http.Get(path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if has := strings.Contains(string(body), "latchkey_build_info"); has != want || (answer.StatusCode == http.StatusOK) != want {
			t.Errorf("%s: %d, metrics: %t", path, answer.StatusCode, has)
		}
	}
}

// TestMetricsWithoutStore: while the store can't be reached, scrapes are answered, and say so.
func TestMetricsWithoutStore(t *testing.T) {
	t.Parallel()
	way, address := startRelay(t, strings.TrimPrefix(startEtcd(t), "http://"))
	s := start(t, worldSeed, func(c *config.Config) {
		c.StoreEndpoints, c.MetricsListen = []string{"http://" + address}, "127.0.0.1:0"
	})
	up := func() float64 {
		_, families := scrape(t, s)
		if has := families["latchkey_store_revision"] != nil; has != (sum(families, "latchkey_store_up") == 1) {
			t.Errorf("up is %v, and there is a revision: %t", sum(families, "latchkey_store_up"), has)
		}
		return sum(families, "latchkey_store_up")
	}
	// What the API's address answers to probes is there, too, for those that have no certificate.
	probe := func(path string) int {
		t.Helper()
		response, err := http.Get(strings.TrimSuffix(s.Metrics, "/metrics") + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	if up() != 1 || probe("/readyz") != http.StatusOK {
		t.Error("the store is said not to answer")
	}
	way.set(true)
	await(t, "the store's end", func() bool { return up() == 0 && probe("/readyz") == http.StatusServiceUnavailable })
	if code := probe("/healthz"); code != http.StatusOK {
		t.Errorf("healthz without a store: %d", code)
	}
	way.set(false)
	await(t, "the store's return", func() bool { return up() == 1 && probe("/readyz") == http.StatusOK })
}

// TestNoMetrics: they are not there unless they are wanted.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	if s := start(t, ""); s.Metrics != "" {
		t.Errorf("the metrics are at %s", s.Metrics)
	}
}
