package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"latchkey/internal/durable"
)

const (
	// tidyBytes is how large audit.intent may become before it is emptied, tidyAfter how much audit.log may grow after
	// the oldest intent in it: recovery reads that much.
	tidyBytes = 256 << 10
	tidyAfter = 16 << 20
)

// disk is how files are written; tests put failures in.
type disk struct {
	write func(*os.File, []byte) (int, error)
	sync  func(*os.File) error
}

// append writes all of text or nothing. When the file can't be restored after a failed write, broken is true.
func (d disk) append(file *os.File, text []byte) (broken bool, err error) {
	n, err := d.write(file, text)
	if err == nil || n <= 0 {
		return false, err
	}
	info, statErr := file.Stat()
	if statErr != nil {
		return true, errors.Join(err, statErr)
	}
	if cutErr := file.Truncate(info.Size() - int64(n)); cutErr != nil {
		return true, errors.Join(err, cutErr)
	}
	return false, err
}

// files are the two files, and what has to be known about what is in them. Only the writer uses it.
type files struct {
	dir    string
	disk   disk
	logger *slog.Logger
	now    func() time.Time
	log    *os.File
	intent *os.File
	signer ed25519.PrivateKey
	keep   Retention
	head   uint64                     // how many records there were at least, by what is kept elsewhere
	keeper *keeper                    // of the head; nil until the files are recovered
	held   func(sequence uint64) bool // whether somebody still needs the record

	chain         link // of the last record
	parts         []part
	began         time.Time // when audit.log had its first record
	text          []byte    // to chain records into
	sealed        time.Time // when the last digest was tried
	sealedSize    int64     // of audit.log, by the last digest
	sealTrouble   bool
	sealedRecords uint64 // by the last digest

	size       int64             // of audit.log
	intentSize int64             // of audit.intent
	oldest     int64             // size as it was when the oldest intent in audit.intent was recorded
	open       map[string][]byte // intents without an outcome, by request id
	openBytes  int
	carry      []byte   // acknowledged lines that could not be written yet
	settled    []string // request ids of the writes whose outcomes are in carry
}

// write puts a batch on disk: first the outcomes, then the intents. It leaves each part's error in the batch; its own
// error means that what is on disk is not known any more.
func (f *files) write(b *batch) (failed error) {
	b.err, failed = f.writeLines(b)
	if failed == nil {
		b.intentErr, failed = f.writeIntents(b)
	}
	if failed != nil {
		failed = fmt.Errorf("audit: the log has failed, no call can be recorded: %w", failed)
		b.err, b.intentErr = failed, failed
	}
	return failed
}

func (f *files) writeLines(b *batch) (err, failed error) {
	lines := f.chain.extend(append(f.text[:0], f.carry...), b.lines)
	f.text = lines
	if len(f.carry) > 0 {
		f.carry = append(f.carry[:0], lines...)
	}
	f.settled = append(f.settled, b.settled...)
	if len(lines) == 0 {
		return nil, nil
	}
	broken, err := f.disk.append(f.log, lines)
	if broken {
		return err, err
	}
	if err != nil {
		// The callers of reads were told that their events are safe: keep them, and try again with the next batch. The
		// outcomes of writes come along: better late than unknown.
		if len(f.carry) == 0 {
			f.carry = slices.Clone(lines)
		}
		return fmt.Errorf("audit: write %s: %w", f.log.Name(), err), nil
	}
	// Once a sync has failed, the kernel may have dropped the pages and a second sync would lie.
	if err := f.disk.sync(f.log); err != nil {
		return err, err
	}
	if f.size == 0 {
		f.began = f.now()
	}
	f.size += int64(len(lines))
	f.carry = nil
	if cap(f.text) > 2*flushBytes {
		f.text = nil
	}
	for _, requestID := range f.settled {
		if event, ok := f.open[requestID]; ok {
			f.openBytes -= len(event)
			delete(f.open, requestID)
		}
	}
	f.settled = f.settled[:0]
	return nil, nil
}

func (f *files) writeIntents(b *batch) (err, failed error) {
	if b.err == nil && f.intentSize > 0 && (f.intentSize > int64(tidyBytes+2*f.openBytes) || f.size-f.oldest > tidyAfter) {
		if failed := f.tidy(); failed != nil {
			return failed, failed
		}
	}
	if len(b.intents) == 0 {
		return nil, nil
	}
	if b.err != nil {
		return b.err, nil // a write whose outcome can't be recorded must not begin
	}
	var text []byte
	for _, intent := range b.intents {
		text = appendIntent(text, f.size, intent.event)
	}
	broken, err := f.disk.append(f.intent, text)
	if broken {
		return err, err
	}
	if err != nil {
		return fmt.Errorf("audit: write %s: %w", f.intent.Name(), err), nil
	}
	if err := f.disk.sync(f.intent); err != nil {
		return err, err
	}
	if f.intentSize == 0 {
		f.oldest = f.size
	}
	f.intentSize += int64(len(text))
	for _, intent := range b.intents {
		f.open[intent.requestID] = intent.event
		f.openBytes += len(intent.event)
	}
	return nil, nil
}

// appendIntent writes the record of an intent: the event, and where in audit.log to look for its outcome.
func appendIntent(dst []byte, offset int64, event []byte) []byte {
	dst = append(dst, `{"offset":`...)
	dst = strconv.AppendInt(dst, offset, 10)
	dst = append(dst, `,"event":`...)
	dst = append(dst, event...)
	return append(dst, '}', '\n')
}

// tidy drops the intents that have an outcome. Where that is all of them the file is emptied, and it does no harm when a
// crash brings them back: their outcomes are on disk. Otherwise a new file takes its place. A failure leaves the old file,
// which is as good as before and only longer than it should be; after one with failed nobody knows which of them a crash
// would leave.
func (f *files) tidy() (failed error) {
	if len(f.open) > 0 {
		fresh, text, err := f.writeOpenIntents()
		if err != nil {
			f.logger.Warn("the list of open audit intents could not be shortened", "file", f.intent.Name(), "err", err)
			return nil
		}
		old := f.intent
		f.intent, f.intentSize, f.oldest = fresh, text, f.size
		return errors.Join(durable.Sync(f.dir), old.Close())
	}
	if err := f.intent.Truncate(0); err != nil {
		f.logger.Warn("the list of audit intents could not be emptied", "file", f.intent.Name(), "err", err)
		return nil
	}
	f.intentSize = 0
	return nil
}

// writeOpenIntents puts a file with only the open intents in the place of audit.intent.
func (f *files) writeOpenIntents() (fresh *os.File, size int64, err error) {
	path := filepath.Join(f.dir, IntentFile)
	fresh, err = os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	var text []byte
	for _, event := range f.open {
		text = appendIntent(text, f.size, event)
	}
	_, err = f.disk.write(fresh, text)
	if err == nil {
		err = f.disk.sync(fresh)
	}
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, fresh.Close(), os.Remove(fresh.Name()))
	}
	return fresh, int64(len(text)), nil
}

func (f *files) close() error {
	if f.keeper != nil {
		f.keeper.close()
	}
	var errs []error
	for _, file := range []*os.File{f.intent, f.log} {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}
