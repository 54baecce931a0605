package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"latchkey/internal/durable"
)

// IntegrityLost is the eventName and errorCode of the record that Open writes when what it finds is not what the last digest
// says.
const IntegrityLost = "AuditIntegrityLost"

// serviceEvent is CloudTrail's eventType of what no call has caused.
const serviceEvent = "AwsServiceEvent"

const (
	// sealEvery is how long records may be without a signed digest.
	sealEvery = time.Second
	// maxLine is more than a record can be.
	maxLine = 4 << 20
)

func rotated(first link) string { return RotatedFile(first.Sequence + 1) }

// RotatedFile is the name of the file, beside audit.log, whose first record has that number.
func RotatedFile(first uint64) string { return fmt.Sprintf("audit-%020d.log", first) }

const rotatedPattern = "audit-*.log"

// IsRotated says whether a file beside audit.log has a name like RotatedFile's.
func IsRotated(name string) bool {
	ours, _ := filepath.Match(rotatedPattern, name)
	return ours
}

// RotatedFiles is the numbers of the first records of the files in dir that were rotated, the oldest first.
func RotatedFiles(dir string) (firsts []uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		digits := strings.TrimSuffix(strings.TrimPrefix(entry.Name(), "audit-"), ".log")
		if first, err := strconv.ParseUint(digits, 10, 64); err == nil && entry.Name() == RotatedFile(first) {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

func (f *files) public() ed25519.PublicKey { return f.signer.Public().(ed25519.PublicKey) }

// finishRotation does what a crash has kept rotate from: its digest is there, and the file has its former name.
func (f *files) finishRotation() error {
	stated, err := readStatement(f.dir, f.public())
	if err != nil || len(stated.Files) < 2 || stated.Files[len(stated.Files)-1].Size > 0 {
		return nil //nolint:nilerr // resume looks at it again
	}
	path, before := filepath.Join(f.dir, LogFile), filepath.Join(f.dir, stated.Files[len(stated.Files)-2].Name)
	switch _, err = os.Lstat(before); {
	case errors.Is(err, fs.ErrNotExist):
		err = os.Rename(path, before)
	case err == nil && same(path, before):
		err = os.Remove(path)
	case err == nil:
		return nil // it is opened anew
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.Sync(f.dir)
}

// resume finds where the chain stands. lost, unless empty, says how the files differ from the last digest: then the chain
// begins anew behind all that audit.log holds, and the digest is kept under another name.
func (f *files) resume(at time.Time) (lost string, err error) {
	stated, err := readStatement(f.dir, f.public())
	switch {
	case err == nil:
		f.parts = stated.Files
		if last := f.parts[len(f.parts)-1].Last.Sequence; last < f.head {
			lost = fmt.Sprintf("the digest is of %d records, and there were %d", last, f.head)
		} else {
			lost, err = f.compare()
		}
	case errors.Is(err, fs.ErrNotExist):
		var chained bool
		if _, chained, err = f.link(f.size); chained || f.head > 0 {
			lost = "there is no signed digest"
		}
		if lost == "" && f.size == 0 && err == nil {
			f.parts = []part{{Name: LogFile}}
			return "", nil
		}
	default:
		lost, err = err.Error(), nil
	}
	if err != nil || lost == "" && len(f.parts) > 0 {
		return "", err
	}
	if lost != "" {
		path := filepath.Join(f.dir, DigestFile)
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, at.UnixNano())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	// A name is not given to two files: numbers go on.
	last := link{Sequence: f.head}
	if len(f.parts) > 0 && f.parts[len(f.parts)-1].Last.Sequence > last.Sequence {
		last = f.parts[len(f.parts)-1].Last
	}
	if says, chained, err := f.link(f.size); err != nil {
		return "", err
	} else if chained && says.Sequence > last.Sequence {
		last = says
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(f.log, 0, f.size)); err != nil {
		return "", err
	}
	f.chain = link{Sequence: last.Sequence}
	hash.Sum(f.chain.Digest[:0])
	anew := part{Name: LogFile, Size: f.size, Unchained: f.size, First: f.chain, Last: f.chain}
	f.parts = append(f.parts[:max(0, len(f.parts)-1)], anew)
	return lost, nil
}

// compare holds audit.log against the digest that says what it was, and sets chain.
func (f *files) compare() (lost string, err error) {
	said := f.parts[len(f.parts)-1]
	if f.size < said.Size {
		return fmt.Sprintf("%s has %d bytes, and had %d", LogFile, f.size, said.Size), nil
	}
	f.chain = said.Last
	for _, look := range []struct {
		end  int64
		want *link
	}{{said.Size, &said.Last}, {f.size, nil}} {
		if look.end <= said.Unchained {
			continue
		}
		says, chained, err := f.link(look.end)
		switch {
		case err != nil:
			return "", err
		case !chained:
			return fmt.Sprintf("the record of %s that ends at byte %d is not one of the chain", LogFile, look.end), nil
		case look.want != nil && says != *look.want:
			return fmt.Sprintf("the record of %s that ends at byte %d is not the one of the digest", LogFile, look.end), nil
		}
		f.chain = says
	}
	return "", nil
}

// link is what the line of audit.log that ends there says.
func (f *files) link(end int64) (says link, chained bool, err error) {
	if end <= 0 {
		return link{}, false, nil
	}
	text := make([]byte, min(end, maxLine))
	if _, err := f.log.ReadAt(text, end-int64(len(text))); err != nil {
		return link{}, false, err
	}
	if text[len(text)-1] != '\n' {
		return link{}, false, nil
	}
	line := text[bytes.LastIndexByte(text[:len(text)-1], '\n')+1:]
	_, says, chained = split(line)
	return says, chained, nil
}

// tell records that the files were not as they had been left.
func (f *files) tell(lost string, at time.Time) error {
	f.logger.Error("the audit log is not what its signed digest says; latchkey audit verify tells more", "reason", lost)
	e := &Event{
		EventID: newID(), EventTime: at, EventName: IntegrityLost, EventType: serviceEvent, RequestID: newID(),
		ErrorCode: IntegrityLost, ErrorMessage: lost, SourceIPAddress: "latchkey", UserAgent: "latchkey",
	}
	return f.appendNow(append(e.append(nil), '\n'))
}

// appendNow writes records outside a batch.
func (f *files) appendNow(records []byte) error {
	text := f.chain.extend(nil, records)
	if _, err := f.disk.append(f.log, text); err != nil {
		return fmt.Errorf("write %s: %w", f.log.Name(), err)
	}
	f.size += int64(len(text))
	return f.disk.sync(f.log)
}

// seal signs what has been written. A failure is logged, and the next attempt covers it.
func (f *files) seal(at time.Time) {
	f.sealed = time.Now()
	current := &f.parts[len(f.parts)-1]
	if len(f.carry) > 0 {
		return // chain is ahead of the file
	}
	current.Size, current.Last = f.size, f.chain
	err := statement{Version: statementVersion, Time: at.UTC().Truncate(time.Second), Files: f.parts}.write(f.dir, f.signer)
	switch {
	case err == nil:
		f.sealedSize, f.sealedRecords = f.size, f.chain.Sequence
		f.keeper.tell(f.chain.Sequence)
		if f.sealTrouble {
			f.logger.Info("the audit log's digest can be signed again")
		}
	case !f.sealTrouble:
		f.logger.Warn("the audit log's digest can't be written", "err", err)
	}
	f.sealTrouble = err != nil
}

// unsealed says whether there are records that no digest covers.
func (f *files) unsealed() bool { return f.size != f.sealedSize && len(f.carry) == 0 }

// Retention is how much of the audit trail is kept; a zero is no limit.
type Retention struct {
	// Size is of one file, in bytes: a larger one is rotated. A file is rotated after a day, too, when Age is set.
	Size int64
	// Age is how long a file is kept after it was rotated.
	Age time.Duration
}

const (
	rotateAfter = 24 * time.Hour
	// maintainEvery is how often files are looked at when nothing is recorded.
	maintainEvery = time.Hour
)

// maintain rotates a file that is due, and removes those that are too old.
func (f *files) maintain(at time.Time) {
	if len(f.carry) > 0 {
		return
	}
	large := f.keep.Size > 0 && f.size >= f.keep.Size
	old := f.keep.Age > 0 && at.Sub(f.began) >= rotateAfter
	if f.size > 0 && (large || old) {
		if err := f.rotate(at); err != nil {
			f.logger.Warn("the audit log can't be rotated", "err", err)
			return
		}
	}
	if err := f.forget(at); err != nil {
		f.logger.Warn("an audit log that is too old can't be removed", "err", err)
	}
}

// rotate gives audit.log another name and begins a new one. What goes wrong before the new one is there leaves the old one;
// Open finishes what a crash has stopped.
func (f *files) rotate(at time.Time) error {
	// An intent whose outcome is in the rotated file must not come back.
	if err := f.tidy(); err != nil {
		return err
	}
	if len(f.open) == 0 && f.intentSize > 0 {
		return nil
	}
	if err := f.disk.sync(f.intent); err != nil {
		return err
	}
	fresh, err := os.OpenFile(filepath.Join(f.dir, LogFile+".new"), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(fresh.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(err, fresh.Close())
	}
	parts := slices.Clone(f.parts)
	before := &parts[len(parts)-1]
	before.Name, before.Size, before.Last, before.Rotated = rotated(before.First), f.size, f.chain, at.UTC().Truncate(time.Second)
	if _, err := os.Lstat(filepath.Join(f.dir, before.Name)); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s: %w", before.Name, errors.Join(fs.ErrExist, err)), fresh.Close())
	}
	parts = append(parts, part{Name: LogFile, First: f.chain, Last: f.chain})
	if err := (statement{Version: statementVersion, Time: at.UTC().Truncate(time.Second), Files: parts}).write(f.dir, f.signer); err != nil {
		return errors.Join(err, fresh.Close())
	}
	if err = succeed(filepath.Join(f.dir, LogFile), filepath.Join(f.dir, before.Name), fresh.Name()); err != nil {
		f.seal(at) // with the names as they are
		return errors.Join(err, fresh.Close())
	}
	old := f.log
	f.log, f.parts, f.size, f.sealedSize, f.began = fresh, parts, 0, 0, at
	f.sealedRecords = f.chain.Sequence
	if len(f.open) > 0 {
		err = f.tidy()
	}
	return errors.Join(err, durable.Sync(f.dir), old.Close())
}

// succeed gives the file at path its former name and puts the fresh one in its place. Whoever opens path meanwhile finds one of
// them.
func succeed(path, former, fresh string) error {
	err := os.Link(path, former)
	undo := func() error { return os.Remove(former) }
	switch {
	case errors.Is(err, fs.ErrExist) && same(path, former):
		err = nil // it has got both names before
	case err != nil && !errors.Is(err, fs.ErrExist):
		// A file system without links: for a moment there is none.
		err = os.Rename(path, former)
		undo = func() error { return os.Rename(former, path) }
	}
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return errors.Join(err, undo())
	}
	return nil
}

func same(a, b string) bool {
	one, err := os.Lstat(a)
	if err != nil {
		return false
	}
	other, err := os.Lstat(b)
	return err == nil && os.SameFile(one, other)
}

// forget removes rotated files that are too old: from the digest first.
func (f *files) forget(at time.Time) error {
	if f.keep.Age == 0 {
		return nil
	}
	all := f.parts
	var gone []string
	for len(f.parts) > 1 && !f.held(f.parts[0].Last.Sequence) {
		if at.Sub(f.parts[0].Rotated) < f.keep.Age {
			break
		}
		gone = append(gone, filepath.Join(f.dir, f.parts[0].Name))
		f.parts = f.parts[1:]
	}
	if len(gone) == 0 {
		return nil
	}
	if f.seal(at); f.sealTrouble {
		f.parts = all
		return nil
	}
	var errs []error
	for _, path := range gone {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
