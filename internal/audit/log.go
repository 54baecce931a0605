// Package audit keeps the audit trail: one CloudTrail record a line in audit.log, written before the caller has its
// reply.
//
// A write is recorded twice. Its intent goes to a side file, audit.intent, before anything is changed; its outcome goes to
// audit.log. After a crash, Open gives every intent without an outcome one that says that nobody knows. Secrets never
// pass here: whoever makes an event takes them out.
//
// Each line is a link of a hash chain (see link), and a second later at the latest a signed digest, audit.digest, says where
// the chain stands: Verify finds whatever was changed, removed, added or cut off. A file that is large enough gets a name by
// the number of its first record, and a new one begins where it ends.
package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"latchkey/internal/durable"
)

// The two files in the directory that are written to at each call.
const (
	LogFile    = "audit.log"
	IntentFile = "audit.intent"
)

// ErrClosed is the answer of a log after Close.
var ErrClosed = errors.New("audit: the log is closed")

const (
	// flushEvery is how long the event of a read waits for company.
	flushEvery = 50 * time.Millisecond
	// retryEvery is how long lines that could not be written wait for the next try when nothing else happens.
	retryEvery = time.Second
	// flushBytes flushes sooner, maxPending makes callers wait until some is written.
	flushBytes = 1 << 20
	maxPending = 4 << 20
)

// Log is an open audit trail. It is safe for concurrent use. One goroutine writes: it takes all that has come in since it
// looked last, writes it at once, syncs once and wakes everybody who waits.
type Log struct {
	logger *slog.Logger
	now    func() time.Time
	texts  sync.Pool // of *[]byte, to encode into

	wake    chan struct{} // the next batch has something in it, or has become urgent
	stop    chan struct{}
	stopped chan struct{}
	files   *files // the writer's own, once it runs
	wrote   func(time.Duration, error)
	state   atomic.Pointer[State]

	mu      sync.Mutex
	next    *batch
	spare   []byte // the lines of the batch before, to be used again
	carried int    // bytes of acknowledged lines that could not be written yet
	trouble error  // why
	failed  error  // for good
	closed  bool

	progress progress
	lenient  lenient
}

// batch is what is written together.
type batch struct {
	lines     []byte
	settled   []string // request ids of the writes whose outcomes are in lines
	intents   []intent
	size      int
	urgent    bool
	taken     chan struct{} // closed when the next batch is open
	done      chan struct{} // closed when the two errors are final
	err       error         // of the lines
	intentErr error
}

type intent struct {
	requestID string
	event     []byte
}

func newBatch(lines []byte) *batch {
	return &batch{lines: lines[:0], taken: make(chan struct{}), done: make(chan struct{})}
}

// Options are what an audit trail needs.
type Options struct {
	// Signer signs the digests; LoadSigner keeps one.
	Signer ed25519.PrivateKey
	Keep   Retention
	// Head, unless nil, is where the number of records is kept besides.
	Head Head
	// Continue lets calls go on that can't be recorded. Without it Intent and Outcome refuse them.
	Continue bool
	// Wrote is told of each batch: how long the disk took, and why it did not take it. Nil is not told.
	Wrote  func(took time.Duration, err error)
	Logger *slog.Logger
	Now    func() time.Time
}

// Open opens the audit trail in dir, makes it where there is none, and recovers it: a line torn by a crash is cut off, and
// every write whose outcome is not recorded gets an event with the errorCode OutcomeUnknown. One process at a time may
// have it open, and nobody may shorten audit.log meanwhile.
func Open(dir string, options Options) (*Log, error) {
	return open(dir, options, disk{write: (*os.File).Write, sync: (*os.File).Sync})
}

func open(dir string, options Options, disk disk) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	f := &files{
		dir: dir, disk: disk, logger: options.Logger, now: options.Now, signer: options.Signer, keep: options.Keep, open: make(map[string][]byte),
	}
	if options.Head != nil {
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		defer cancel()
		var err error
		if f.head, err = options.Head.Load(ctx); err != nil {
			return nil, fmt.Errorf("open the audit log: how far it goes: %w", err)
		}
	}
	if err := f.finishRotation(); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	for _, file := range []struct {
		name  string
		field **os.File
	}{{LogFile, &f.log}, {IntentFile, &f.intent}} {
		opened, err := os.OpenFile(filepath.Join(dir, file.name), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the audit log: %w", err), f.close())
		}
		*file.field = opened
	}
	durable.Released(f.log.Name())
	if err := syscall.Flock(int(f.log.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("open the audit log: %s is in use by another process: %w", f.log.Name(), err), f.close())
	}
	if err := f.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("recover the audit log: %w", err), f.close())
	}
	l := &Log{
		logger:  options.Logger,
		now:     options.Now,
		texts:   sync.Pool{New: func() any { return new([]byte) }},
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		files:   f,
		wrote:   options.Wrote,
		next:    newBatch(nil),
		lenient: lenient{on: options.Continue},
	}
	f.keeper = keep(options.Head, options.Logger)
	f.held = l.progress.held
	f.seal(f.now())
	l.progress.reached(f.chain.Sequence)
	l.note()
	go l.run()
	return l, nil
}

// Close writes what is queued and closes the files. Its error means that acknowledged events of reads may be lost.
func (l *Log) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		<-l.stopped
		return nil
	}
	close(l.stop)
	<-l.stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	err := errors.Join(l.failed, l.trouble)
	if err == nil {
		err = l.files.tidy()
		l.files.seal(l.now())
	}
	return errors.Join(err, l.files.close())
}

// Intent records that a write is about to begin; it returns when that is on disk, and gives the event its EventID and, when
// it has none, its EventTime. After an error the write must not be done. Whatever Intent returned, Outcome has to follow
// with the same RequestID, which no other call may use.
//
// A ctx that ends makes it return early, with the intent recorded or not.
func (l *Log) Intent(ctx context.Context, e *Event) error {
	l.fill(e)
	event := e.append(make([]byte, 0, 1024))
	b, err := l.enter(ctx, func(b *batch) {
		b.intents = append(b.intents, intent{e.RequestID, event})
		b.size += len(event)
		b.urgent = true
	})
	if err != nil {
		return l.excuse(ctx, e, err, begun)
	}
	if err := b.wait(ctx); err != nil {
		return err
	}
	return l.excuse(ctx, e, b.intentErr, begun)
}

// Outcome records how a call ended. That of a write (ReadOnly is false) is on disk when Outcome returns nil; that of a read
// is queued, and on disk some 50 ms later. A full queue makes it wait.
//
// After an error the outcome of a write may still come to be recorded, now or by Open. A ctx that ends makes Outcome
// return early: give it one that outlives the client's connection.
func (l *Log) Outcome(ctx context.Context, e *Event) error {
	l.fill(e)
	text := l.texts.Get().(*[]byte)
	defer l.texts.Put(text)
	*text = append(e.append((*text)[:0]), '\n')
	b, err := l.enter(ctx, func(b *batch) {
		b.lines = append(b.lines, *text...)
		b.size += len(*text)
		if !e.ReadOnly {
			b.settled = append(b.settled, e.RequestID)
			b.urgent = true
		}
	})
	if err != nil {
		return l.excuse(ctx, e, err, gone)
	}
	if e.ReadOnly {
		return nil
	}
	if err := b.wait(ctx); err != nil {
		return err
	}
	return l.excuse(ctx, e, b.err, late)
}

func (l *Log) fill(e *Event) {
	if e.EventID == "" {
		e.EventID = newID()
	}
	if e.EventTime.IsZero() {
		e.EventTime = l.now()
	}
}

// enter lets add put something into the next batch, as soon as there is room in it, and sees to it that it is written.
func (l *Log) enter(ctx context.Context, add func(*batch)) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, ErrClosed
		case l.failed != nil:
			return nil, l.failed
		case l.trouble != nil && l.carried+l.next.size >= maxPending:
			return nil, l.trouble
		}
		if l.next.size < maxPending {
			break
		}
		taken := l.next.taken
		l.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("audit: the queue is full: %w", err)
		}
	}
	b := l.next
	first, wasUrgent := b.size == 0, b.urgent
	add(b)
	if b.size >= flushBytes {
		b.urgent = true
	}
	if first || b.urgent && !wasUrgent {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return b, nil
}

func (b *batch) wait(ctx context.Context) error {
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("audit: not confirmed to be on disk: %w", ctx.Err())
	}
}

// run is the writer.
func (l *Log) run() {
	defer close(l.stopped)
	for stopping := false; !stopping; {
		var retry, due <-chan time.Time
		if len(l.files.carry) > 0 {
			retry = time.After(retryEvery)
		}
		if l.files.unsealed() {
			due = time.After(time.Until(l.files.sealed.Add(sealEvery)))
		} else if l.files.keep.Age > 0 {
			due = time.After(maintainEvery)
		}
		select {
		case <-l.wake:
			stopping = l.linger()
		case <-retry:
		case <-due:
		case <-l.stop:
			stopping = true
		}
		l.flush()
		if stopping && l.waiting() {
			l.flush() // what the first one has to tell of
		}
		if l.healthy() {
			l.files.maintain(l.now())
			if l.files.unsealed() && time.Since(l.files.sealed) >= sealEvery {
				l.files.seal(l.now())
			}
		}
		l.note()
	}
}

func (l *Log) healthy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed == nil
}

func (l *Log) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next.size > 0
}

// linger waits until the next batch is due.
func (l *Log) linger() (stopping bool) {
	due := time.After(flushEvery)
	for {
		l.mu.Lock()
		urgent := l.next.urgent
		l.mu.Unlock()
		if urgent {
			return false
		}
		select {
		case <-l.wake:
		case <-due:
			return false
		case <-l.stop:
			return true
		}
	}
}

// flush writes one batch.
func (l *Log) flush() {
	l.mu.Lock()
	b, failed := l.next, l.failed
	l.next = newBatch(l.spare)
	l.spare = nil
	l.mu.Unlock()
	close(b.taken)

	if failed == nil {
		began, something := time.Now(), b.size > 0 || len(l.files.carry) > 0
		failed = l.files.write(b)
		if l.wrote != nil && something {
			l.wrote(time.Since(began), cmp.Or(b.err, b.intentErr))
		}
	} else {
		b.err, b.intentErr = failed, failed
	}

	l.mu.Lock()
	if failed != nil && l.failed == nil {
		l.logger.Error("the audit log has failed: "+l.lenient.until("no change will be made any more", "no call will be recorded any more")+" the server is restarted on a sound disk",
			"file", l.files.log.Name(), "err", failed)
	}
	l.failed = failed
	switch {
	case l.trouble == nil && b.err != nil && failed == nil:
		l.logger.Error("the audit log cannot be written: "+l.lenient.until("changes are refused", "calls go on, without their records on the disk,")+" it can", "file", l.files.log.Name(), "err", b.err)
	case l.trouble != nil && b.err == nil:
		l.logger.Info("the audit log can be written again", "file", l.files.log.Name())
	}
	l.trouble = b.err
	l.carried = len(l.files.carry)
	if b.err == nil {
		l.progress.reached(l.files.chain.Sequence)
		l.tellLost()
	}
	if cap(b.lines) <= 2*flushBytes {
		l.spare = b.lines
	}
	l.mu.Unlock()
	close(b.done)
}
