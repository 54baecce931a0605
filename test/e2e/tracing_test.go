package e2e

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"latchkey/internal/config"
)

// spans is an OpenTelemetry collector.
type spans struct {
	mu   sync.Mutex
	all  []*otlp.Span
	raw  []byte
	path string
}

func (c *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	request := &collector.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(text, request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw, c.path = append(c.raw, text...), r.URL.Path
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.all = append(c.all, scope.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// calls is the spans of calls, in the order of their beginning.
func (c *spans) calls() (calls []*otlp.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.all {
		if span.Kind == otlp.Span_SPAN_KIND_SERVER {
			calls = append(calls, span)
		}
	}
	slices.SortFunc(calls, func(a, b *otlp.Span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	return calls
}

func attributes(span *otlp.Span) map[string]string {
	all := map[string]string{}
	for _, each := range span.Attributes {
		all[each.Key] = each.Value.GetStringValue()
	}
	return all
}

// TestTraces: a collector gets a span for each call, in the trace of the client that names one, and below it one for each thing
// that the directory was asked and one for the audit trail's writes. No secret is in them.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := &spans{}
	at := httptest.NewServer(c)
	defer at.Close()
	s := start(t, worldSeed, func(cfg *config.Config) { cfg.OTLPEndpoint = at.URL })
	sdk := goClient(t, s)
	sdk(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	refused := sdk(t, home, "ResetUserPassword", reset(corpID, "nobodyofthatname", nextPassword))
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	request, err := http.NewRequest(http.MethodPost, s.API, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "DirectoryService_20150416.DescribeDirectories")
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	await(t, "the span of each call", func() bool { return len(c.calls()) == 3 })
	s.stop()
	calls := c.calls()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path != "/v1/traces" {
		t.Errorf("spans were sent to %q", c.path)
	}
	children := map[string][]string{}
	for _, span := range c.all {
		children[string(span.ParentSpanId)] = append(children[string(span.ParentSpanId)], span.Name)
	}
	if len(calls) != 3 {
		t.Fatalf("%d calls, want 3: %v", len(calls), calls)
	}
	done, failed, foreign := calls[0], calls[1], calls[2]
	if a := attributes(done); done.Name != "ds.ResetUserPassword" || a["rpc.method"] != "ResetUserPassword" || a["latchkey.directory"] != corpID || len(a["aws.request_id"]) != 36 || a["error.type"] != "" {
		t.Errorf("%s: %v", done.Name, a)
	}
	has := strings.Join(children[string(done.SpanId)], "\n")
	for _, want := range []string{"directory search", "directory modify", "audit intent", "audit outcome"} {
		if !strings.Contains(has, want) {
			t.Errorf("no span %q below the reset:\n%s", want, has)
		}
	}
	if a := attributes(failed); a["error.type"] != "UserDoesNotExistException" || failed.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || refused.Exception != a["error.type"] {
		t.Errorf("%s: %v, %v", failed.Name, a, failed.Status)
	}
	if a := attributes(foreign); hex.EncodeToString(foreign.TraceId) != trace || hex.EncodeToString(foreign.ParentSpanId) != parent ||
		a["aws.request_id"] != answer.Header.Get("X-Amzn-Requestid") || a["error.type"] != "MissingAuthenticationTokenException" {
		t.Errorf("trace %x, parent %x, %v", foreign.TraceId, foreign.ParentSpanId, a)
	}
	key, secret := s.root()
	for _, each := range []string{marker, "jane", "nobodyofthatname", key, secret} {
		if bytes.Contains(c.raw, []byte(each)) {
			t.Errorf("the spans have %q in them", each)
		}
	}
}

// TestTracesToNobody: a collector that takes connections and never answers holds up no call, and does not keep the server from
// ending.
func TestTracesToNobody(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := start(t, worldSeed, func(cfg *config.Config) { cfg.OTLPEndpoint = "http://" + silent.Addr().String() })
	call := goClient(t, s)
	// More than wait for the collector: the rest is not sent.
	for range 3000 {
		call(t, home, "DescribeDirectories", nil).accepted(t)
	}
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	s.stop()
}
