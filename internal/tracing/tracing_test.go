package tracing

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is a collector that answers with status.
type receiver struct {
	mu     sync.Mutex
	status int
	path   string
	header http.Header
	spans  []*otlp.Span
	about  map[string]string
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := io.ReadAll(r.Body)
	request := &collector.ExportTraceServiceRequest{}
	if err := errors.Join(err, proto.Unmarshal(text, request)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.path, c.header = r.URL.Path, r.Header
	if w.WriteHeader(c.status); c.status != http.StatusOK {
		return
	}
	for _, resource := range request.ResourceSpans {
		for _, each := range resource.Resource.Attributes {
			c.about[each.Key] = each.Value.GetStringValue()
		}
		for _, scope := range resource.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

func listen(t *testing.T) (*receiver, string) {
	t.Helper()
	c := &receiver{status: http.StatusOK, about: map[string]string{}}
	at := httptest.NewServer(c)
	t.Cleanup(at.Close)
	return c, at.URL
}

func open(t *testing.T, endpoint string, log io.Writer) *Tracer {
	t.Helper()
	tracer, err := Open(t.Context(), Options{Endpoint: endpoint, Version: "v9", Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// finish has everything sent, however long that takes.
func finish(t *testing.T, tracer *Tracer) {
	t.Helper()
	if err := errors.Join(tracer.provider.ForceFlush(t.Context()), tracer.Close()); err != nil {
		t.Error(err)
	}
}

// TestSpans: a part is below its call, and work of no call is not sent.
func TestSpans(t *testing.T) {
	c, url := listen(t)
	tracer := open(t, url+"/base", io.Discard)
	_, end := tracer.Part(t.Context(), "nobody's")
	end("0", false)
	ctx, done := tracer.Request(t.Context(), http.Header{"Traceparent": {"not a parent"}})
	_, end = tracer.Part(ctx, "directory search", attribute.String("latchkey.engine", "embedded"))
	end("51", true)
	done(Outcome{RequestID: "id", Service: "ds", Code: "UnknownOperationException"})
	finish(t, tracer)
	if c.path != "/base/v1/traces" || c.about["service.name"] != "latchkey" || c.about["service.version"] != "v9" {
		t.Errorf("%s: %v", c.path, c.about)
	}
	if len(c.spans) != 2 {
		t.Fatalf("%d spans: %v", len(c.spans), c.spans)
	}
	part, call := c.spans[0], c.spans[1]
	if call.Name != "ds.unknown" || part.Name != "directory search" || !bytes.Equal(part.ParentSpanId, call.SpanId) || !bytes.Equal(part.TraceId, call.TraceId) || len(call.ParentSpanId) != 0 {
		t.Errorf("%v\n%v", call, part)
	}
	if part.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || part.Status.GetMessage() != "51" {
		t.Errorf("%v", part.Status)
	}
}

// TestEnvironment: OpenTelemetry's own variables say where the collector is, and what it is told with each batch.
func TestEnvironment(t *testing.T) {
	c, url := listen(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=corp")
	t.Setenv("OTEL_SERVICE_NAME", "other")
	tracer := open(t, "", io.Discard)
	_, done := tracer.Request(t.Context(), nil)
	done(Outcome{Service: "ds", Operation: "DescribeDirectories", Code: "OK"})
	finish(t, tracer)
	if c.path != "/v1/traces" || c.header.Get("X-Tenant") != "corp" || c.about["service.name"] != "other" || len(c.spans) != 1 {
		t.Errorf("%s, %v, %v, %d spans", c.path, c.header, c.about, len(c.spans))
	}
}

// TestSampling: what the client's trace leaves out is left out here, too.
func TestSampling(t *testing.T) {
	c, url := listen(t)
	tracer := open(t, url, io.Discard)
	ctx, done := tracer.Request(t.Context(), http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}})
	if id := trace.SpanContextFromContext(ctx).TraceID().String(); id != "0af7651916cd43dd8448eb211c80319c" {
		t.Error(id)
	}
	done(Outcome{Service: "ds", Operation: "DescribeDirectories", Code: "OK"})
	finish(t, tracer)
	if len(c.spans) != 0 {
		t.Errorf("%d spans", len(c.spans))
	}
}

// TestCollectorFails: the log says once that it does, and once that it works again.
func TestCollectorFails(t *testing.T) {
	c, url := listen(t)
	log := &bytes.Buffer{} // only ForceFlush below writes to it
	tracer := open(t, url, log)
	send := func(status int) {
		c.mu.Lock()
		c.status = status
		c.mu.Unlock()
		_, done := tracer.Request(t.Context(), nil)
		done(Outcome{Service: "ds", Operation: "DescribeDirectories", Code: "OK"})
		if err := tracer.provider.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, status := range []int{http.StatusOK, http.StatusForbidden, http.StatusForbidden, http.StatusOK, http.StatusOK} {
		send(status)
	}
	finish(t, tracer)
	if failed, again := strings.Count(log.String(), "traces can't be sent"), strings.Count(log.String(), "traces can be sent again"); failed != 1 || again != 1 {
		t.Errorf("%d, %d:\n%s", failed, again, log)
	}
	if len(c.spans) != 3 {
		t.Errorf("%d spans arrived, want 3", len(c.spans))
	}
}
