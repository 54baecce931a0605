package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Place is where a record is: its number, and where its line begins in its file, which makes it quick to find.
type Place struct {
	Sequence uint64
	Offset   int64
}

// ReadBack visits the records of the chain in dir, newest first, each with its text as it was before it became a link, from the
// one before that place, or from the newest when it is zero. The server may be running. What visit returns ends it; a record that
// is no event is left out.
func ReadBack(dir string, before Place, visit func(e *Event, record []byte, at Place) error) (err error) {
	// The current file before the names of the others: a file that is rotated meanwhile is then found once.
	current, err := os.Open(filepath.Join(dir, LogFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, current.Close()) }()
	others, err := RotatedFiles(dir)
	if err != nil {
		return err
	}
	if err := readBack(current, before, visit); err != nil {
		return err
	}
	info, err := current.Stat()
	if err != nil {
		return err
	}
	for _, number := range slices.Backward(others) {
		if before.Sequence > 0 && number >= before.Sequence {
			continue
		}
		file, err := os.Open(filepath.Join(dir, RotatedFile(number)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // its age was over
		}
		if err != nil {
			return err
		}
		other, err := file.Stat()
		if err == nil && !os.SameFile(info, other) {
			err = readBack(file, before, visit)
		}
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func readBack(file *os.File, before Place, visit func(*Event, []byte, Place) error) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	lines := &backward{file: file, start: info.Size()}
	if before.Sequence > 0 {
		if first, ok := sequenceAt(file, 0); ok && first >= before.Sequence {
			return nil
		}
		if there, ok := sequenceAt(file, before.Offset); ok && there == before.Sequence {
			lines.start = before.Offset
		}
	}
	for {
		line, offset, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		record, says, ok := split(line)
		if !ok || before.Sequence > 0 && says.Sequence >= before.Sequence {
			continue
		}
		var e Event
		if json.Unmarshal(record, &e) != nil {
			continue
		}
		if err := visit(&e, record, Place{says.Sequence, offset}); err != nil {
			return err
		}
	}
}

// sequenceAt is the number of the record whose line begins there.
func sequenceAt(file *os.File, offset int64) (sequence uint64, ok bool) {
	for size := chunk; ; size *= 4 {
		text := make([]byte, size)
		n, err := file.ReadAt(text, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false
		}
		if end := bytes.IndexByte(text[:n], '\n'); end >= 0 {
			_, says, ok := split(text[:end+1])
			return says.Sequence, ok
		}
		if n < size || size > maxLine {
			return 0, false
		}
	}
}

// backward reads the lines of a file from its end.
type backward struct {
	file  io.ReaderAt
	start int64  // where text begins
	text  []byte // read, and not given out
}

const chunk = 64 << 10

var errLine = fmt.Errorf("a line of more than %d bytes", maxLine)

// next is the line before the last one, with its line break, and where it begins. It is good until the call after. A line
// without a break at the end is left out.
func (b *backward) next() (line []byte, offset int64, err error) {
	searched := 0 // bytes at the end of text in which no line begins
	for {
		within := b.text[:max(0, len(b.text)-max(searched, 1))]
		if i := bytes.LastIndexByte(within, '\n'); i >= 0 || b.start == 0 && len(b.text) > 0 {
			line, offset = b.text[i+1:], b.start+int64(i+1)
			b.text = b.text[:i+1]
			if line[len(line)-1] == '\n' {
				return line, offset, nil
			}
			searched = 0
			continue
		}
		if b.start == 0 {
			return nil, 0, io.EOF
		}
		if len(b.text) > maxLine {
			return nil, 0, errLine
		}
		searched = len(b.text)
		n := min(int64(max(chunk, len(b.text))), b.start)
		more := make([]byte, n, n+int64(len(b.text)))
		if _, err := b.file.ReadAt(more, b.start-n); err != nil {
			return nil, 0, err
		}
		b.text, b.start = append(more, b.text...), b.start-n
	}
}
