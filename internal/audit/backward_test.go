package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReadBack: the records come newest first, across files, and from each place on, whether its offset is right or not.
func TestReadBack(t *testing.T) {
	dir := t.TempDir()
	settings := options(time.Now)
	settings.Keep.Size = 4096
	l, err := Open(dir, settings)
	if err != nil {
		t.Fatal(err)
	}
	const n = 60
	var want []string
	for i := range n {
		e := call(fmt.Sprint("w", i), false)
		e.UserAgent = strings.Repeat("ä", i*10)
		if err := errors.Join(l.Intent(t.Context(), e), l.Outcome(t.Context(), e)); err != nil {
			t.Fatal(err)
		}
		want = append(want, e.RequestID)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "audit-*.log")); err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	// A line that is being written, and one that is of no chain.
	file, err := os.OpenFile(filepath.Join(dir, LogFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("{\"requestID\":\"other\"}\n{\"requestID\":\"torn"); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(want)
	var places []Place
	read := func(before Place) (got []string) {
		t.Helper()
		if err := ReadBack(dir, before, func(e *Event, record []byte, at Place) error {
			if bytes.Contains(record, []byte("integrity")) || !bytes.HasSuffix(record, []byte("}")) {
				t.Errorf("%s", record)
			}
			if before.Sequence == 0 {
				places = append(places, at)
			}
			got = append(got, e.RequestID)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := read(Place{}); !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	for i, at := range places {
		for _, offset := range []int64{at.Offset, 0, 7, 1 << 40} {
			if got := read(Place{at.Sequence, offset}); !slices.Equal(got, want[i+1:]) {
				t.Fatalf("behind %d, %d: %q", at.Sequence, offset, got)
			}
		}
	}
	enough := errors.New("enough")
	if err := ReadBack(dir, Place{}, func(*Event, []byte, Place) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// TestBackward: lines of all lengths, around those of what is read at once, come as they are.
func TestBackward(t *testing.T) {
	var text []byte
	var lines []string
	for i, length := range []int{0, 1, chunk - 2, chunk - 1, chunk, chunk + 1, 3 * chunk, 0, 0, 5} {
		line := strings.Repeat(string(rune('a'+i)), length) + "\n"
		lines = append(lines, line)
		text = append(text, line...)
	}
	for _, torn := range []string{"", "x", strings.Repeat("y", 2*chunk)} {
		whole := append(slices.Clone(text), torn...)
		b := &backward{file: bytes.NewReader(whole), start: int64(len(whole))}
		for _, want := range slices.Backward(lines) {
			line, offset, err := b.next()
			if err != nil || string(line) != want || string(whole[offset:offset+int64(len(line))]) != want {
				t.Fatalf("%d bytes at %d, %v, want %d", len(line), offset, err, len(want))
			}
		}
		if line, _, err := b.next(); !errors.Is(err, io.EOF) {
			t.Errorf("%q, %v", line, err)
		}
	}
	long := bytes.Repeat([]byte("x"), 3*maxLine)
	if _, _, err := (&backward{file: bytes.NewReader(long), start: int64(len(long))}).next(); !errors.Is(err, errLine) {
		t.Error(err)
	}
}
