package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/net/netutil"

	"latchkey/internal/admission"
	"latchkey/internal/audit"
	"latchkey/internal/audit/delivery"
	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/gateway"
	"latchkey/internal/kdc"
	"latchkey/internal/ldapserver"
	"latchkey/internal/lifecycle"
	"latchkey/internal/metrics"
	"latchkey/internal/store"
	"latchkey/internal/throttle"
	"latchkey/internal/tracing"
)

// watch is what tells operators how the server does. What is off is nil, and whoever would tell it is given nobody to tell.
type watch struct {
	metrics *metrics.Metrics
	tracer  *tracing.Tracer
	scrapes *http.Server
	pprof   *pprofServer
	door    *admission.Door // of the API
	gateway *gateway.Gateway
	engine  *embedded.Engine

	trail        atomic.Pointer[audit.Log]
	sinks        atomic.Pointer[delivery.Sinks]
	directories  atomic.Pointer[store.Directories]
	mu           sync.Mutex
	certificates map[string]func() time.Time // when those end that are in use
}

// maxScrapers is how many connections the address of the metrics takes at once.
const maxScrapers = 64

// buildWatch comes before all that it watches.
func (a *App) buildWatch(ctx context.Context, records *store.Store) error {
	w := &a.watch
	w.certificates = map[string]func() time.Time{}
	if a.listeners.metrics != nil {
		w.metrics = metrics.New(metrics.Sources{Audit: w.auditState, Store: storeState(records), Sinks: w.sinkStates, Directories: w.stages, Certificates: w.ends, Limits: a.limits})
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", w.metrics.Handler())
		w.scrapes = &http.Server{
			Handler: &health{records, a.logger, mux}, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
			ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
		}
	}
	if tracedBy := cmp.Or(a.config.OTLPEndpoint, os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")); tracedBy != "" {
		version := ""
		if info, ok := debug.ReadBuildInfo(); ok {
			version = info.Main.Version
		}
		var err error
		if w.tracer, err = tracing.Open(ctx, tracing.Options{Endpoint: a.config.OTLPEndpoint, Version: version, Logger: a.logger}); err != nil {
			return err
		}
		a.closeLater(w.tracer.Close)
	}
	if a.config.PprofSocket != "" {
		var err error
		if w.pprof, err = listenPprof(a.config.PprofSocket); err != nil {
			return err
		}
		a.closeLater(w.pprof.Close)
	}
	return nil
}

// serveWatch lets Prometheus and profilers in.
func (a *App) serveWatch(serve func(name string, run func() error)) {
	if a.watch.scrapes != nil {
		serve("metrics", func() error { return a.watch.scrapes.Serve(netutil.LimitListener(a.listeners.metrics, maxScrapers)) })
	}
	if a.watch.pprof != nil {
		serve("pprof", a.watch.pprof.Serve)
	}
}

// closeWatch ends scrapes and profiles at once: the next one is missed anyway.
func (a *App) closeWatch() error {
	var errs []error
	if a.watch.scrapes != nil {
		errs = append(errs, a.watch.scrapes.Close())
	}
	if a.watch.pprof != nil {
		errs = append(errs, a.watch.pprof.Close())
	}
	return errors.Join(errs...)
}

func (a *App) metricsURL() string {
	if a.listeners.metrics == nil {
		return ""
	}
	return "http://" + a.listeners.metrics.Addr().String() + "/metrics"
}

// calls tells of calls of the API.
func (w *watch) calls() gateway.Observer {
	if w.metrics == nil && w.tracer == nil {
		return nil
	}
	return func(ctx context.Context, r *http.Request) (context.Context, func(gateway.Outcome)) {
		began := time.Now()
		var ended func(tracing.Outcome)
		if w.tracer != nil {
			ctx, ended = w.tracer.Request(ctx, r.Header)
		}
		if w.metrics != nil {
			w.metrics.RequestBegan()
		}
		return ctx, func(o gateway.Outcome) {
			if w.metrics != nil {
				w.metrics.RequestEnded(o.Service, o.Operation, o.Code, o.Limit, time.Since(began))
			}
			if ended != nil {
				ended(tracing.Outcome{RequestID: o.RequestID, Service: o.Service, Operation: o.Operation, Directory: o.Directory, Code: o.Code})
			}
		}
	}
}

// engines tells of what calls ask of directories.
func (w *watch) engines() func(engine string) directory.Observer {
	if w.metrics == nil && w.tracer == nil {
		return nil
	}
	return func(engine string) directory.Observer {
		return func(ctx context.Context, verb string) (context.Context, func(error)) {
			began := time.Now()
			ctx, ended := w.part(ctx, "directory "+verb, attribute.String("latchkey.engine", engine))
			return ctx, func(err error) {
				result := directory.ResultName(err)
				if w.metrics != nil {
					w.metrics.EngineAnswered(engine, verb, result, time.Since(began))
				}
				ended(result, err != nil)
			}
		}
	}
}

func (w *watch) part(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, func(result string, failed bool)) {
	if w.tracer == nil {
		return ctx, func(string, bool) {}
	}
	return w.tracer.Part(ctx, name, attributes...)
}

// audit is the trail, with a span for what waits for it.
func (w *watch) audit(trail *audit.Log) gateway.Trail {
	if w.tracer == nil {
		return trail
	}
	return tracedTrail{trail, w.tracer}
}

type tracedTrail struct {
	trail  *audit.Log
	tracer *tracing.Tracer
}

func (t tracedTrail) Intent(ctx context.Context, event *audit.Event) error {
	ctx, end := t.tracer.Part(ctx, "audit intent")
	err := t.trail.Intent(ctx, event)
	end("unwritten", err != nil)
	return err
}

func (t tracedTrail) Outcome(ctx context.Context, event *audit.Event) error {
	ctx, end := t.tracer.Part(ctx, "audit outcome")
	err := t.trail.Outcome(ctx, event)
	end("unwritten", err != nil)
	return err
}

func (w *watch) auditWrote() func(time.Duration, error) {
	if w.metrics == nil {
		return nil
	}
	return w.metrics.AuditWrote
}

func (w *watch) ldap() ldapserver.Observer {
	if w.metrics == nil {
		return nil
	}
	return w.metrics.LDAP()
}

func (w *watch) kerberos() kdc.Observer {
	if w.metrics == nil {
		return nil
	}
	return w.metrics.Kerberos()
}

// refused counts what a limit refuses.
func (w *watch) refused(limit string) {
	if w.metrics != nil {
		w.metrics.Refused(limit)
	}
}

// bucket has what the buckets refuse counted; nil bounds nothing.
func (w *watch) bucket(limit string, b *throttle.Buckets) {
	if b != nil && w.metrics != nil {
		b.Refused = func() { w.metrics.Refused(limit) }
	}
}

// certify makes the end of a certificate that is in use known.
func (w *watch) certify(name string, notAfter func() time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.certificates[name] = notAfter
}

func (w *watch) ends() map[string]time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]time.Time{}
	for name, notAfter := range w.certificates {
		if end := notAfter(); !end.IsZero() {
			all[name] = end
		}
	}
	return all
}

func (w *watch) auditState() metrics.Audit {
	trail := w.trail.Load()
	if trail == nil {
		return metrics.Audit{}
	}
	s := trail.State()
	return metrics.Audit{Records: s.Records, Unsealed: s.Unsealed, Trouble: s.Trouble != nil}
}

func (w *watch) sinkStates() map[string]metrics.Sink {
	all := map[string]metrics.Sink{}
	if sinks := w.sinks.Load(); sinks != nil {
		for _, s := range sinks.Status() {
			all[s.Sink] = metrics.Sink{Lag: s.Lag, Up: s.Err == nil}
		}
	}
	return all
}

func (w *watch) stages() map[metrics.Directories]int {
	all := map[metrics.Directories]int{}
	directories := w.directories.Load()
	if directories == nil {
		return all
	}
	directories.Where(func(record store.Directory) bool {
		if record.Share == nil { // which no engine holds a second time
			all[metrics.Directories{Engine: lifecycle.EngineName(record), Stage: record.Stage}]++
		}
		return false
	}, "", 1)
	return all
}

// limits is asked once everything is built.
func (a *App) limits() map[string]metrics.Limit {
	limit := func(used, most int) metrics.Limit { return metrics.Limit{Used: used, Max: most} }
	load := a.watch.engine.Load()
	return map[string]metrics.Limit{
		metrics.OfAPI + admission.Connections: limit(a.watch.door.Inside()), gateway.LargeRequests: limit(a.watch.gateway.Large()), metrics.OfLDAP + ldapserver.LimitConnections: limit(a.ldap.Connections()),
		metrics.OfKerberos + kdc.LimitConnections: limit(a.kdc.Connections()), metrics.OfKerberos + kdc.LimitRequests: limit(a.kdc.InFlight()),
		metrics.Derivations: limit(load.Deriving, load.Slots), embedded.WaitingLogins: limit(load.Logins, load.Waiting), embedded.WaitingResets: limit(load.Resets, load.Waiting),
	}
}

func storeState(records *store.Store) func(context.Context) (metrics.Store, error) {
	return func(ctx context.Context) (metrics.Store, error) {
		h, err := records.Health(ctx)
		return metrics.Store{Revision: h.Revision, Size: h.Size, InUse: h.InUse}, err
	}
}
