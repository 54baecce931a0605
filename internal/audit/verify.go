package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Finding is one place where an audit trail is not what its digest says.
type Finding struct {
	File   string
	Line   int   // from 1; 0 is the whole file
	Offset int64 // of the line, in bytes
	Text   string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d (byte %d): %s", f.File, f.Line, f.Offset, f.Text)
}

// Report is what Verify has seen.
type Report struct {
	Files     int
	Records   uint64    // that the digest covers
	Unsigned  uint64    // behind them, in the chain already
	Unchained int64     // bytes before the chain began
	Signed    time.Time // the digest's
	Findings  []Finding // at most maxFindings
}

const maxFindings = 100

// Verify holds the audit trail in dir against its digest, which key has to have signed. The server may be running.
func Verify(dir string, key ed25519.PublicKey) (Report, error) {
	// A file may be rotated meanwhile: then the digest is there some time before the files have the names that it says.
	const tries, pause = 3, 100 * time.Millisecond
	for try := 1; ; try++ {
		stated, err := readStatement(dir, key)
		if err != nil {
			return Report{Findings: []Finding{{File: DigestFile, Text: err.Error()}}}, nil
		}
		running, err := inUse(dir)
		if err != nil {
			return Report{}, err
		}
		v := &verification{dir: dir, report: Report{Files: len(stated.Files), Signed: stated.Time}}
		if err := v.files(stated); err != nil {
			return Report{}, err
		}
		if v.report.Unsigned > 0 && !running {
			v.find(LogFile, 0, 0, "%d records follow what the digest covers: the server was killed before it signed them, or they were added", v.report.Unsigned)
		}
		if len(v.report.Findings) == 0 || try == tries {
			return v.report, nil
		}
		if last := stated.Files[len(stated.Files)-1]; running && len(stated.Files) > 1 && last.Size == 0 {
			time.Sleep(pause)
			continue
		}
		again, err := readStatement(dir, key)
		if err != nil || slices.Equal(again.Files, stated.Files) {
			return v.report, nil //nolint:nilerr // what is found stands
		}
	}
}

// inUse says whether a server has the trail open.
func inUse(dir string) (bool, error) {
	file, err := os.Open(filepath.Join(dir, LogFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

type verification struct {
	dir    string
	report Report
}

func (v *verification) find(file string, line int, offset int64, format string, args ...any) {
	if len(v.report.Findings) < maxFindings {
		v.report.Findings = append(v.report.Findings, Finding{file, line, offset, fmt.Sprintf(format, args...)})
	}
}

func (v *verification) files(stated statement) error {
	named := map[string]bool{}
	for i, each := range stated.Files {
		named[each.Name] = true
		current := i == len(stated.Files)-1
		if (each.Name == LogFile) != current || each.Name != filepath.Base(each.Name) {
			v.find(DigestFile, 0, 0, "it names %q in the wrong place", each.Name)
			continue
		}
		if i > 0 && each.Unchained == 0 && each.First != stated.Files[i-1].Last {
			v.find(each.Name, 0, 0, "it does not follow %s", stated.Files[i-1].Name)
		}
		if err := v.file(each, current); err != nil {
			return err
		}
	}
	others, err := filepath.Glob(filepath.Join(v.dir, rotatedPattern))
	if err != nil {
		return err
	}
	for _, path := range others {
		if name := filepath.Base(path); !named[name] {
			v.find(name, 0, 0, "the digest does not know it")
		}
	}
	return nil
}

func (v *verification) file(said part, current bool) error {
	file, err := os.Open(filepath.Join(v.dir, said.Name))
	if errors.Is(err, fs.ErrNotExist) {
		v.find(said.Name, 0, 0, "it is missing")
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	w := &walk{verification: v, said: said, at: said.First, current: current}
	if said.Unchained > 0 {
		if err := w.prefix(file); err != nil {
			return err
		}
	}
	lines := bufio.NewReaderSize(file, 256<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(line) > 0 {
			w.line(line)
		}
		if err != nil {
			break
		}
	}
	w.end()
	return nil
}

// walk goes through one file.
type walk struct {
	*verification
	said    part
	current bool
	at      link
	offset  int64
	number  int  // of the line
	met     bool // where the digest ends
}

func (w *walk) prefix(file io.Reader) error {
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(file, w.said.Unchained))
	if err != nil {
		return err
	}
	var found digest
	hash.Sum(found[:0])
	if n < w.said.Unchained || found != w.said.First.Digest {
		w.find(w.said.Name, 0, 0, "its first %d bytes, from before the chain, are not as they were", w.said.Unchained)
	}
	w.offset = n
	w.report.Unchained += n
	w.meet()
	return nil
}

func (w *walk) meet() {
	if w.offset == w.said.Size {
		w.met = true
		if w.at != w.said.Last {
			w.find(w.said.Name, w.number, w.offset, "the chain is not where the digest says")
		}
	}
}

func (w *walk) line(line []byte) {
	w.number++
	start := w.offset
	if start == 0 {
		w.meet() // an empty file when it was signed
	}
	w.offset += int64(len(line))
	if line[len(line)-1] != '\n' {
		// A record that is being written, or that a crash has torn, is behind the digest.
		if !w.current || start < w.said.Size {
			w.find(w.said.Name, w.number, start, "it ends within a record")
		}
		return
	}
	record, says, ok := split(line)
	next := w.at.follow(record)
	switch {
	case !ok:
		w.find(w.said.Name, w.number, start, "it is not a record of the chain")
		w.at.Sequence++
	case says == next:
		w.at = says
	case says.Sequence > next.Sequence:
		w.find(w.said.Name, w.number, start, "before it %s missing", missing(next.Sequence, says.Sequence-1))
		w.at = says
	case says.Sequence < next.Sequence:
		w.find(w.said.Name, w.number, start, "record %d stands where %d should", says.Sequence, next.Sequence)
	default:
		w.find(w.said.Name, w.number, start, "record %d was changed, or the one before it", says.Sequence)
		w.at = says
	}
	if bytes.Contains(record, []byte(IntegrityLost)) && lost(record) {
		w.find(w.said.Name, w.number, start, "%s: the server found the files changed when it started", IntegrityLost)
	}
	if start < w.said.Size {
		w.report.Records++
	} else {
		w.report.Unsigned++
		if !w.current {
			w.find(w.said.Name, w.number, start, "it was added after the file was rotated")
		}
	}
	w.meet()
}

func missing(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("record %d is", first)
	}
	return fmt.Sprintf("records %d to %d are", first, last)
}

// lost says whether a record is the one that Open writes when the files are not as they were left.
func lost(record []byte) bool {
	var is struct {
		Name string `json:"eventName"`
		Type string `json:"eventType"`
	}
	return json.Unmarshal(record, &is) == nil && is.Name == IntegrityLost && is.Type == serviceEvent
}

func (w *walk) end() {
	if w.offset == 0 {
		w.meet()
	}
	switch {
	case w.offset < w.said.Size:
		w.find(w.said.Name, w.number, w.offset, "the last %d bytes are missing", w.said.Size-w.offset)
	case !w.met:
		w.find(w.said.Name, 0, 0, "no record ends where the digest does, at byte %d", w.said.Size)
	}
}
