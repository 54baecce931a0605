package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources is where a scrape reads what is not counted. All are required.
type Sources struct {
	Audit func() Audit
	Store func(context.Context) (Store, error)
	// Sinks is how many records each sink of the audit trail has not had yet, and whether it takes them.
	Sinks func() map[string]Sink
	// Directories is how many there are of each engine and stage.
	Directories func() map[Directories]int
	// Certificates is when those that the server shows end, by what they are for.
	Certificates func() map[string]time.Time
	// Limits is what may be in use at once, by the limit's name.
	Limits func() map[string]Limit
}

// Limit is how much of something is in use, and how much may be.
type Limit struct{ Used, Max int }

// Audit is how the audit trail is.
type Audit struct {
	Records  uint64 // of all times
	Unsealed uint64 // that no digest covers yet
	Trouble  bool   // it can't be written
}

// Sink is how a sink of the audit trail is.
type Sink struct {
	Lag uint64 // in records
	Up  bool
}

// Store is how the store is.
type Store struct {
	Revision    int64
	Size, InUse int64 // in bytes
}

// Directories are those of one engine that are in the same stage.
type Directories struct{ Engine, Stage string }

// state is what a scrape reads.
type state struct {
	Sources
	build, records, unsealed, trouble, lag, sinkUp, up, revision, size, inUse, directories, certificates, used, most *prometheus.Desc
}

func newState(sources Sources) *state {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &state{
		Sources: sources,

		build:        describe("latchkey_build_info", "1, with what this program is as labels.", "version", "revision", "goversion"),
		records:      describe("latchkey_audit_records_total", "Records of the audit trail, of all times."),
		unsealed:     describe("latchkey_audit_unsealed_records", "Records of the audit trail that no signed digest covers yet."),
		trouble:      describe("latchkey_audit_trouble", "1 while the audit trail can't be written and changes are refused, else 0."),
		lag:          describe("latchkey_audit_sink_lag_records", "Records of the audit trail that a sink has not had yet.", "sink"),
		sinkUp:       describe("latchkey_audit_sink_up", "1 while a sink takes records of the audit trail, else 0.", "sink"),
		up:           describe("latchkey_store_up", "1 while the store answers, else 0."),
		revision:     describe("latchkey_store_revision", "The store's revision: it grows by 1 with each write."),
		size:         describe("latchkey_store_size_bytes", "What the store's file takes on the disk."),
		inUse:        describe("latchkey_store_in_use_bytes", "What of the store's file is in use."),
		directories:  describe("latchkey_directories", "Directories, by engine and stage.", "engine", "stage"),
		certificates: describe("latchkey_certificate_expiry_timestamp_seconds", "When a certificate that the server shows ends, in Unix time.", "certificate"),
		used:         describe("latchkey_limit_used", "How much is in use of what may only be used so much at once.", "limit"),
		most:         describe("latchkey_limit_max", "How much of it may be used at once.", "limit"),
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.build, s.records, s.unsealed, s.trouble, s.lag, s.sinkUp, s.up, s.revision, s.size, s.inUse, s.directories, s.certificates, s.used, s.most} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	version, revision, goVersion := build()
	gauge(s.build, 1, version, revision, goVersion)

	trail := s.Audit()
	to <- prometheus.MustNewConstMetric(s.records, prometheus.CounterValue, float64(trail.Records))
	gauge(s.unsealed, float64(trail.Unsealed))
	gauge(s.trouble, truth(trail.Trouble))
	for name, sink := range s.Sinks() {
		gauge(s.lag, float64(sink.Lag), name)
		gauge(s.sinkUp, truth(sink.Up), name)
	}

	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	store, err := s.Store(ctx)
	gauge(s.up, truth(err == nil))
	if err == nil {
		gauge(s.revision, float64(store.Revision))
		gauge(s.size, float64(store.Size))
		gauge(s.inUse, float64(store.InUse))
	}

	for of, count := range s.Directories() {
		gauge(s.directories, float64(count), of.Engine, of.Stage)
	}
	for name, end := range s.Certificates() {
		gauge(s.certificates, float64(end.Unix()), name)
	}
	for name, l := range s.Limits() {
		gauge(s.used, float64(l.Used), name)
		gauge(s.most, float64(l.Max), name)
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
