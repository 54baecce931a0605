// Package metrics is everything that a server says of itself to Prometheus, declared in one place: docs/metrics.md is the same
// as a table. No label holds what a client sent: a name that the server does not know is "unknown", and users, addresses and
// access keys are in none.
package metrics

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// maxScrapes is how many scrapes are answered at once, scrapeTimeout how long one may take.
	maxScrapes    = 4
	scrapeTimeout = 10 * time.Second
	// storeTimeout is what the store has of that.
	storeTimeout = 2 * time.Second
)

// seconds are the buckets of durations: from a read in memory to the longest that an operation may take.
var seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Metrics counts what happens in one server. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	refused   *prometheus.CounterVec

	engineRequests  *prometheus.CounterVec
	engineDurations *prometheus.HistogramVec

	ldapRequests  *prometheus.CounterVec
	ldapDurations *prometheus.HistogramVec

	kerberosRequests  *prometheus.CounterVec
	kerberosDurations *prometheus.HistogramVec

	auditDurations prometheus.Histogram
	auditFailures  prometheus.Counter
}

// New is Metrics that read what is not counted from sources at each scrape.
func New(sources Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),

		requests:  counters("latchkey_requests_total", "Calls of the AWS API that were answered, by exception; OK is none.", "service", "operation", "code"),
		durations: durations("latchkey_request_duration_seconds", "From a call's header to its answer.", "service", "operation"),
		inFlight:  gauge("latchkey_requests_in_flight", "Calls of the AWS API that have no answer yet."),
		refused:   counters("latchkey_limit_refused_total", "What was refused because a limit was reached.", "limit"),

		engineRequests:  counters("latchkey_engine_requests_total", "What calls asked of directories, by LDAP's verb and result.", "engine", "verb", "result"),
		engineDurations: durations("latchkey_engine_request_duration_seconds", "From asking a directory to its answer.", "engine", "verb"),

		ldapRequests:  counters("latchkey_ldap_requests_total", "Requests of LDAP clients, binds among them, by LDAP's result.", "operation", "result"),
		ldapDurations: durations("latchkey_ldap_request_duration_seconds", "From an LDAP request that was read to its result.", "operation"),

		kerberosRequests:  counters("latchkey_kerberos_requests_total", "Kerberos requests, by the error or result that was answered; 0 is none.", "message", "code"),
		kerberosDurations: durations("latchkey_kerberos_request_duration_seconds", "From a Kerberos request that was read to its answer.", "message"),

		auditDurations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "latchkey_audit_write_duration_seconds", Help: "Writing one batch of the audit trail and having it on the disk.", Buckets: seconds,
		}),
		auditFailures: counter("latchkey_audit_write_failures_total", "Batches of the audit trail that could not be written."),
	}
	m.registry.MustRegister(m.own()...)
	m.registry.MustRegister(
		newState(sources), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// own are the collectors of what is counted here.
func (m *Metrics) own() []prometheus.Collector {
	return []prometheus.Collector{
		m.requests, m.durations, m.inFlight, m.refused, m.engineRequests, m.engineDurations, m.ldapRequests,
		m.ldapDurations, m.kerberosRequests, m.kerberosDurations, m.auditDurations, m.auditFailures,
	}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func durations(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels)
}

// Limits that nobody else has a name for.
const (
	Source      = "source"
	Account     = "account"
	Derivations = "key_derivations"
)

// What the names of the limits of a server begin with; the rest is its own constant.
const (
	OfAPI      = "api_"
	OfLDAP     = "ldap_"
	OfKerberos = "kerberos_"
)

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout})
}

// Unknown stands for names that the server does not know.
const Unknown = "unknown"

func known(name string) string {
	if name == "" {
		return Unknown
	}
	return name
}

// RequestBegan counts a call that has come in.
func (m *Metrics) RequestBegan() { m.inFlight.Inc() }

// RequestEnded counts its answer. operation is "" where the server has none of the name that was called, limit where the call
// was not refused by one.
func (m *Metrics) RequestEnded(service, operation, code, limit string, took time.Duration) {
	m.inFlight.Dec()
	m.requests.WithLabelValues(service, known(operation), code).Inc()
	m.durations.WithLabelValues(service, known(operation)).Observe(took.Seconds())
	if limit != "" {
		m.Refused(limit)
	}
}

// EngineAnswered counts what a call asked of a directory.
func (m *Metrics) EngineAnswered(engine, verb, result string, took time.Duration) {
	m.engineRequests.WithLabelValues(engine, verb, result).Inc()
	m.engineDurations.WithLabelValues(engine, verb).Observe(took.Seconds())
}

// LDAP is Metrics as the LDAP server's observer.
func (m *Metrics) LDAP() LDAP { return LDAP{m} }

// LDAP counts what an LDAP server does.
type LDAP struct{ m *Metrics }

// Refused counts what a limit refuses, or a connection that it ends.
func (l LDAP) Refused(limit string) { l.m.Refused(OfLDAP + limit) }

// Answered counts a request. operation is one of the server's own names.
func (l LDAP) Answered(operation string, result uint16, took time.Duration) {
	l.m.ldapRequests.WithLabelValues(operation, strconv.Itoa(int(result))).Inc()
	l.m.ldapDurations.WithLabelValues(operation).Observe(took.Seconds())
}

// Kerberos is Metrics as the KDC's observer.
func (m *Metrics) Kerberos() Kerberos { return Kerberos{m} }

// Kerberos counts what a KDC does.
type Kerberos struct{ m *Metrics }

// Refused counts what a limit refuses, or a connection that it ends.
func (k Kerberos) Refused(limit string) { k.m.Refused(OfKerberos + limit) }

// Answered counts a request of the kind that message names, and its answer's code.
func (k Kerberos) Answered(message string, code int32, took time.Duration) {
	k.m.kerberosRequests.WithLabelValues(message, strconv.Itoa(int(code))).Inc()
	k.m.kerberosDurations.WithLabelValues(message).Observe(took.Seconds())
}

// AuditWrote counts a batch of the audit trail.
func (m *Metrics) AuditWrote(took time.Duration, err error) {
	m.auditDurations.Observe(took.Seconds())
	if err != nil {
		m.auditFailures.Inc()
	}
}

// Refused counts what a limit refuses: whoever has a limit gives it a name, and puts it into Sources if it is of what may be in use
// at once.
func (m *Metrics) Refused(limit string) { m.refused.WithLabelValues(limit).Inc() }

// build is what this program is, for latchkey_build_info.
func build() (version, revision, goVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Unknown, Unknown, Unknown
	}
	revision = Unknown
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return known(info.Main.Version), revision, info.GoVersion
}
