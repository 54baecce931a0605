// Package delivery brings the records of the audit trail to where an operator wants them, besides the trail itself: at least
// once, in their order.
//
// The trail is the only buffer. Each sink has a cursor on the disk, which goes on once the sink has acknowledged what is before
// it; a sink that is away for long finds all records when it is back.
package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"latchkey/internal/durable"
)

// Dir is the directory, below that of the trail, that the cursors are in.
const Dir = "audit-sinks"

const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
	// attempt is how long a sink may take for a batch.
	attempt = 30 * time.Second
	// gather is how long a sink that has had all waits for more records to come together.
	gather      = time.Second
	gatherLocal = 100 * time.Millisecond // standard output's
	// drain is how long Close waits for what sinks that work have not had yet.
	drain = 3 * time.Second
)

// Trail is what delivery follows; *audit.Log is one.
type Trail interface {
	Written() (sequence uint64, more <-chan struct{})
}

// Options are what deliveries need.
type Options struct {
	// Dir is the trail's.
	Dir     string
	Targets []*Target
	// Stdout is where the sink stdout writes.
	Stdout io.Writer
	Logger *slog.Logger
}

// Sinks is all deliveries. It is safe for concurrent use.
type Sinks struct {
	trail Trail
	all   []*sink
	ctx   context.Context // of the deliveries
	stop  context.CancelFunc
	drain chan struct{}
	ended sync.WaitGroup
	once  sync.Once
}

// Status is how one sink is.
type Status struct {
	Sink string
	// Delivered is the number of the last record that it has, Lag how many more there are.
	Delivered, Lag uint64
	// Err is why it does not get them; nil while it does. Since is when that began.
	Err   error
	Since time.Time
}

type sink struct {
	target *Target
	path   string // of its cursor
	send   func(context.Context, []record) error
	end    func()
	gather time.Duration
	reader *reader
	saved  cursor // when the process started
	logger *slog.Logger

	mu        sync.Mutex
	delivered uint64
	err       error
	since     time.Time
}

// New reads how far each sink is. Start begins to deliver.
func New(trail Trail, options Options) (*Sinks, error) {
	s := &Sinks{trail: trail, drain: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if len(options.Targets) == 0 {
		return s, nil
	}
	dir := filepath.Join(options.Dir, Dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, target := range options.Targets {
		name := sha256.Sum256([]byte(target.String()))
		k := &sink{
			target: target, path: filepath.Join(dir, hex.EncodeToString(name[:8])+".json"), gather: gather, reader: newReader(options.Dir),
			end: func() {}, logger: options.Logger.With("sink", target.String()),
		}
		switch {
		case target.scheme == standardOutput:
			k.gather = gatherLocal
			k.send = (&printer{to: options.Stdout}).send
		case target.syslog():
			k.send = newSyslog(target).send
		default:
			p := &poster{target: target}
			k.send, k.end = p.send, p.close
		}
		if err := k.load(); err != nil {
			return nil, err
		}
		s.all = append(s.all, k)
	}
	return s, nil
}

// Start begins to deliver.
func (s *Sinks) Start() {
	for _, k := range s.all {
		s.ended.Go(func() {
			k.run(s.ctx, s.trail, s.drain)
			k.end()
			if err := k.reader.close(); err != nil {
				k.logger.Debug("a file of the audit trail can't be closed", "err", err)
			}
		})
	}
}

// Close delivers what sinks that work have not had yet, for some seconds at most, and ends the deliveries. The trail gets no
// more records by then.
func (s *Sinks) Close() {
	s.once.Do(func() { close(s.drain) })
	timer := time.AfterFunc(drain, s.stop)
	s.ended.Wait()
	timer.Stop()
	s.stop()
}

// Needed is the number of the first record that some sink has not had.
func (s *Sinks) Needed() uint64 {
	least := ^uint64(0)
	for _, k := range s.all {
		k.mu.Lock()
		least = min(least, k.delivered+1)
		k.mu.Unlock()
	}
	return least
}

// Status is how each sink is, in the order of the configuration.
func (s *Sinks) Status() []Status {
	var all []Status
	for _, k := range s.all {
		written, _ := s.trail.Written()
		k.mu.Lock()
		one := Status{Sink: k.target.String(), Delivered: k.delivered, Err: k.err, Since: k.since}
		k.mu.Unlock()
		if written > one.Delivered {
			one.Lag = written - one.Delivered
		}
		all = append(all, one)
	}
	return all
}

// kept is a cursor's file.
type kept struct {
	cursor

	Sink string `json:"sink"`
}

var errOffset = errors.New("its offset is negative")

func (k *sink) load() error {
	text, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var there kept
	if err = json.Unmarshal(text, &there); err == nil && there.Offset < 0 {
		err = errOffset
	}
	if err != nil {
		return fmt.Errorf("%s does not say how far %s is; without the file it gets all records again: %w", k.path, k.target, err)
	}
	k.saved = there.cursor
	k.delivered = there.Sequence
	return nil
}

func (k *sink) save(at cursor) error {
	text, err := json.Marshal(kept{at, k.target.String()})
	if err != nil {
		return err
	}
	return durable.Replace(k.path, 0o600, append(text, '\n'))
}

// run delivers batch after batch, each as often as it takes, so that the order is kept.
func (k *sink) run(ctx context.Context, trail Trail, drain <-chan struct{}) {
	if !k.persist(ctx, drain, func() error { return k.resume(trail) }) {
		return
	}
	for {
		written, ok := k.wait(ctx, trail, drain)
		if !ok {
			return
		}
		var batch []record
		if !k.persist(ctx, drain, func() (err error) {
			if len(batch) == 0 {
				if batch, err = k.reader.batch(written); err != nil {
					return err
				}
			}
			limited, cancel := context.WithTimeout(ctx, attempt)
			defer cancel()
			return k.send(limited, batch)
		}) {
			return
		}
		k.acknowledged(batch)
		if k.reader.last.Sequence >= written {
			k.collect(drain)
		}
	}
}

// resume goes to where the sink was when the process before ended.
func (k *sink) resume(trail Trail) error {
	written, _ := trail.Written()
	found, err := k.reader.seek(k.saved, written)
	if err != nil || found {
		return err
	}
	next := k.reader.last.Sequence + 1
	k.logger.Error("the last record that an audit sink has had is not in the trail: it goes on with what there is", "had", k.saved.Sequence, "next", next)
	k.mu.Lock()
	k.delivered = next - 1
	k.mu.Unlock()
	return nil
}

// wait returns when there are records that the sink has not had; false is when the deliveries end.
func (k *sink) wait(ctx context.Context, trail Trail, drain <-chan struct{}) (written uint64, ok bool) {
	for {
		written, more := trail.Written()
		if k.reader.last.Sequence < written {
			return written, ctx.Err() == nil
		}
		select {
		case <-more:
			continue
		case <-ctx.Done():
			return 0, false
		case <-drain:
		}
		// The trail may have got its last records at the same moment.
		if written, _ := trail.Written(); k.reader.last.Sequence >= written {
			return 0, false
		}
	}
}

// collect lets records gather that come soon after others.
func (k *sink) collect(drain <-chan struct{}) {
	select {
	case <-time.After(k.gather):
	case <-drain:
	}
}

// persist tries until it succeeds, or the deliveries end, which it answers with false. What is tried once they are to end is
// not tried again.
func (k *sink) persist(ctx context.Context, drain <-chan struct{}, try func() error) bool {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := try()
		k.tell(err)
		if err == nil {
			return true
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)): //nolint:gosec // so that not all come at once
		case <-ctx.Done():
			return false
		case <-drain:
			return false
		}
	}
}

// tell keeps how the sink is, and logs when that changes.
func (k *sink) tell(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err != nil && k.err == nil:
		k.since = time.Now()
		k.logger.Error("an audit sink does not take records: they are kept for it", "delivered", k.delivered, "err", err)
	case err != nil:
		k.logger.Debug("an audit sink still does not take records", "delivered", k.delivered, "err", err)
	case k.err != nil:
		k.logger.Info("an audit sink takes records again", "delivered", k.delivered, "after", time.Since(k.since).Round(time.Second))
		k.since = time.Time{}
	}
	k.err = err
}

// acknowledged moves the cursor. When that can't be written, the sink gets the batch again after a restart.
func (k *sink) acknowledged(batch []record) {
	last := batch[len(batch)-1].at
	if err := k.save(last); err != nil {
		k.logger.Error("how far an audit sink is can't be kept: after a restart it gets records again", "delivered", last.Sequence, "err", err)
	}
	k.mu.Lock()
	k.delivered = last.Sequence
	k.mu.Unlock()
	if missing := k.reader.missing; missing > 0 {
		k.logger.Error("records were removed before an audit sink had them", "records", missing)
		k.reader.missing = 0
	}
}
