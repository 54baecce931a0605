package delivery

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"latchkey/internal/audit"
)

const (
	maxRecords = 500
	maxBytes   = 1 << 20
	// maxLine is more than a record can be.
	maxLine = 4 << 20
)

// cursor is the last record that a sink has: where it stands in the chain, and where its line begins in its file.
type cursor struct {
	audit.Link

	Offset int64 `json:"offset"`
}

// reader goes along the records of a trail, from file to file.
type reader struct {
	dir    string
	file   *os.File
	offset int64 // of what comes next
	last   cursor
	buffer *bufio.Reader
	// missing counts the records between those that were read.
	missing uint64
}

var errMissing = errors.New("records of the trail are missing")

func newReader(dir string) *reader {
	return &reader{dir: dir, buffer: bufio.NewReaderSize(nil, 64<<10)}
}

func (r *reader) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// files is the current file, opened, and the names of the others by the numbers of their first records. In this order: a file
// that is rotated meanwhile is among the others.
func (r *reader) files() (current *os.File, numbers []uint64, err error) {
	if current, err = os.Open(filepath.Join(r.dir, audit.LogFile)); err != nil {
		return nil, nil, err
	}
	if numbers, err = audit.RotatedFiles(r.dir); err != nil {
		return nil, nil, errors.Join(err, current.Close())
	}
	return current, numbers, nil
}

func (r *reader) path(number uint64) string {
	return filepath.Join(r.dir, audit.RotatedFile(number))
}

// next goes to the beginning of the file behind the last record.
func (r *reader) next() error {
	current, numbers, err := r.files()
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if number <= r.last.Sequence && r.last.Sequence > 0 {
			continue
		}
		file, err := os.Open(r.path(number))
		if errors.Is(err, fs.ErrNotExist) {
			continue // its age was over
		}
		if err != nil {
			return errors.Join(err, current.Close())
		}
		return errors.Join(r.begin(file, 0), current.Close())
	}
	if r.file != nil && same(r.file, current) {
		return errors.Join(fmt.Errorf("%w: number %d is the last that %s has", errMissing, r.last.Sequence, current.Name()), current.Close())
	}
	return r.begin(current, 0)
}

func same(a, b *os.File) bool {
	one, err := a.Stat()
	other, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(one, other)
}

func (r *reader) begin(file *os.File, offset int64) error {
	err := r.close()
	r.file, r.offset = file, offset
	return err
}

// seek goes behind the record of a cursor. Where it is not there, found is false, and reading goes on with the first record of
// a greater number, or, when the trail is another one, with the oldest.
func (r *reader) seek(to cursor, written uint64) (found bool, err error) {
	if to.Sequence == 0 {
		return true, r.next()
	}
	current, numbers, err := r.files()
	if err != nil {
		return false, err
	}
	candidates := []*os.File{current}
	if at, exact := slices.BinarySearch(numbers, to.Sequence); exact || at > 0 {
		if !exact {
			at--
		}
		if file, err := os.Open(r.path(numbers[at])); err == nil {
			candidates = []*os.File{file, current}
		}
	}
	keep := func(file *os.File) error {
		var errs []error
		for _, other := range candidates {
			if other != file {
				errs = append(errs, other.Close())
			}
		}
		return errors.Join(errs...)
	}
	for _, file := range candidates {
		r.buffer.Reset(io.NewSectionReader(file, to.Offset, maxLine))
		line, err := readLine(r.buffer)
		if _, says, ok := audit.LinkOf(line); err == nil && ok && says == to.Link {
			r.last = to
			return true, errors.Join(r.begin(file, to.Offset+int64(len(line))), keep(file))
		}
	}
	other := to.Sequence > written
	for _, file := range candidates {
		if other {
			break
		}
		r.buffer.Reset(io.NewSectionReader(file, 0, 1<<62))
		for offset := int64(0); ; {
			line, err := readLine(r.buffer)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return false, errors.Join(err, keep(nil))
			}
			_, says, ok := audit.LinkOf(line)
			switch {
			case ok && says == to.Link:
				r.last = cursor{says, offset}
				return true, errors.Join(r.begin(file, offset+int64(len(line))), keep(file))
			case ok && says.Sequence > to.Sequence:
				r.last = to
				return false, errors.Join(r.begin(file, offset), keep(file))
			case ok && says.Sequence == to.Sequence:
				other = true
			}
			offset += int64(len(line))
		}
	}
	return false, errors.Join(keep(nil), r.next())
}

// record is one line of the trail, with its line break.
type record struct {
	line []byte
	at   cursor
}

// batch is the records that come next, up to a number and to what a batch may have. Nothing is read ahead between batches: what
// is behind the last record that is on the disk may still change.
func (r *reader) batch(upTo uint64) (all []record, err error) {
	if r.file == nil {
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	r.buffer.Reset(io.NewSectionReader(r.file, r.offset, 1<<62))
	for bytes := 0; r.last.Sequence < upTo && len(all) < maxRecords && bytes < maxBytes; {
		line, err := readLine(r.buffer)
		if errors.Is(err, io.EOF) {
			if len(all) > 0 {
				return all, nil // the next file is for the next batch
			}
			if err := r.next(); err != nil {
				return nil, err
			}
			r.buffer.Reset(io.NewSectionReader(r.file, 0, 1<<62))
			continue
		}
		if err != nil && len(all) > 0 {
			return all, nil //nolint:nilerr // it comes again
		}
		if err != nil {
			return nil, fmt.Errorf("%s, byte %d: %w", r.file.Name(), r.offset, err)
		}
		at := cursor{r.last.Link, r.offset}
		if _, says, ok := audit.LinkOf(line); ok {
			if r.last.Sequence > 0 && says.Sequence > r.last.Sequence+1 {
				r.missing += says.Sequence - r.last.Sequence - 1
			}
			at.Link = says
			r.last = at
		}
		r.offset += int64(len(line))
		bytes += len(line)
		all = append(all, record{line, at})
	}
	return all, nil
}

var errLong = fmt.Errorf("a line of more than %d bytes", maxLine)

// readLine is the next line with its line break; io.EOF stands for one that has none.
func readLine(from *bufio.Reader) (line []byte, err error) {
	for {
		part, err := from.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case len(line) > maxLine:
			return nil, errLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
