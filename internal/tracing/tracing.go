// Package tracing sends what calls do, and how long it takes, to an OpenTelemetry collector (OTLP over HTTP). A span holds the
// operation, the ids of the request and of the directory, and codes: no names, no values and no texts of errors.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	// maxQueue is how many spans wait for the collector. What comes while so many wait is not sent.
	maxQueue = 2048
	// exportTimeout is how long the collector may take for a batch, with all tries.
	exportTimeout = 10 * time.Second
	// closeTimeout is how long Close waits for the collector.
	closeTimeout = 2 * time.Second
)

// Tracer makes spans. It is safe for concurrent use, and nothing ever waits for the collector but Close.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	remote   propagation.TraceContext
}

// Options are what a Tracer needs.
type Options struct {
	// Endpoint is the collector's URL, to which /v1/traces is added; "" leaves it to OpenTelemetry's own environment variables, as
	// all else is left to them (OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER, …).
	Endpoint string
	// Version is this program's.
	Version string
	Logger  *slog.Logger
}

// Open is a Tracer. It does not ask whether the collector is there.
func Open(ctx context.Context, o Options) (*Tracer, error) {
	options := []otlptracehttp.Option{otlptracehttp.WithTimeout(exportTimeout)}
	if o.Endpoint != "" {
		endpoint, err := url.Parse(o.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("tracing: %w", err)
		}
		options = append(options, otlptracehttp.WithEndpointURL(endpoint.JoinPath("v1", "traces").String()))
	}
	sender, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "latchkey"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	provider := sdk.NewTracerProvider(
		sdk.WithResource(about),
		sdk.WithBatcher(&exporter{SpanExporter: sender, logger: o.Logger}, sdk.WithMaxQueueSize(maxQueue), sdk.WithExportTimeout(exportTimeout)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("latchkey")}, nil
}

// Close sends what waits, for at most two seconds.
func (t *Tracer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	// That the collector is gone is in the log already.
	_ = t.provider.Shutdown(ctx)
	return nil
}

// Outcome is what came of a call.
type Outcome struct {
	RequestID, Service, Operation, Directory string
	Code                                     string // OK, or the exception
}

// Request begins the span of a call, as a part of the trace that its client names (W3C traceparent), if it does.
func (t *Tracer) Request(ctx context.Context, header http.Header) (context.Context, func(Outcome)) {
	ctx = t.remote.Extract(ctx, propagation.HeaderCarrier(header))
	ctx, span := t.tracer.Start(ctx, "call", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(o Outcome) {
		name := o.Operation
		if name == "" {
			name = "unknown"
		}
		span.SetName(o.Service + "." + name)
		span.SetAttributes(
			attribute.String("rpc.system", "aws-api"), attribute.String("rpc.service", o.Service), attribute.String("rpc.method", name),
			attribute.String("aws.request_id", o.RequestID),
		)
		if o.Directory != "" {
			span.SetAttributes(attribute.String("latchkey.directory", o.Directory))
		}
		if o.Code != "OK" {
			fail(span, o.Code)
		}
		span.End()
	}
}

// Part begins the span of something that a call does. end is called with its result, and whether that is a failure.
func (t *Tracer) Part(ctx context.Context, name string, attributes ...attribute.KeyValue) (_ context.Context, end func(result string, failed bool)) {
	// Work that no call has asked for has no trace to be a part of.
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, func(string, bool) {}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(attributes...))
	return ctx, func(result string, failed bool) {
		if failed {
			fail(span, result)
		}
		span.End()
	}
}

func fail(span trace.Span, code string) {
	span.SetAttributes(attribute.String("error.type", code))
	span.SetStatus(codes.Error, code)
}

// exporter tells the log when the collector can't be reached, and when it can again.
type exporter struct {
	sdk.SpanExporter
	logger *slog.Logger
	failed atomic.Bool
}

// ExportSpans implements the exporter of OpenTelemetry's SDK. Spans that can't be sent are lost.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if failed := err != nil; e.failed.Swap(failed) != failed {
		if failed {
			e.logger.Warn("traces can't be sent", "err", err)
		} else {
			e.logger.Info("traces can be sent again")
		}
	}
	return nil
}
