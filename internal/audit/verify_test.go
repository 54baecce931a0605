package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func verified(t testing.TB, dir string) Report {
	t.Helper()
	report, err := Verify(dir, signer().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// write leaves a closed trail of that many records, in several files when each may be of that size.
func write(t testing.TB, dir string, records int, size int64) {
	t.Helper()
	o := options(now)
	o.Keep.Size = size
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		e := call(fmt.Sprintf("r-%d-%d", i, size), false)
		if err := errors.Join(l.Intent(t.Context(), e), l.Outcome(t.Context(), e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func logs(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "audit*.log"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

// A trail that nobody has touched is whole: over restarts, rotations and while it is written.
func TestVerifyWhole(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 0, 0)
	if r := verified(t, dir); len(r.Findings) > 0 || r.Records != 0 {
		t.Errorf("an empty one: %+v", r)
	}
	write(t, dir, 10, 0)
	write(t, dir, 30, 4096)
	if r := verified(t, dir); len(r.Findings) > 0 || r.Records != 40 || r.Files < 5 || r.Files != len(logs(t, dir)) {
		t.Errorf("%+v", r)
	}
	l := mustOpen(t, dir)
	for i := range 20 {
		e := call(fmt.Sprint("open", i), false)
		if err := errors.Join(l.Intent(t.Context(), e), l.Outcome(t.Context(), e)); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, dir); len(r.Findings) > 0 || r.Records+r.Unsigned != uint64(41+i) {
			t.Fatalf("while it is written: %+v", r)
		}
	}
	// A server that was killed: what it had not signed goes on in the chain.
	killed := crashed(t, dir)
	for _, path := range logs(t, dir) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(killed, filepath.Base(path)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(t, killed, 5, 0)
	if r := verified(t, killed); len(r.Findings) > 0 || r.Records != 65 {
		t.Errorf("after a kill: %+v", r)
	}
}

// A trail from before there was a chain is taken in as it is.
func TestVerifyBefore(t *testing.T) {
	dir := t.TempDir()
	before := "{\"eventName\":\"Old\"}\n{\"eventName\":\"Older\"}\n"
	if err := os.WriteFile(filepath.Join(dir, LogFile), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir, 3, 0)
	if r := verified(t, dir); len(r.Findings) > 0 || r.Records != 3 || r.Unchained != int64(len(before)) {
		t.Errorf("%+v", r)
	}
	text, err := os.ReadFile(filepath.Join(dir, LogFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, LogFile), bytes.Replace(text, []byte("Older"), []byte("0lder"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); len(r.Findings) == 0 {
		t.Error("a change before the chain is not found")
	}
}

// forge makes the chain of a file's lines fit again, as somebody without the key can.
func forge(text []byte, at link) []byte {
	var records []byte
	for line := range bytes.Lines(text) {
		if record, _, ok := split(line); ok {
			records = append(append(records, record...), '\n')
		}
	}
	return at.extend(nil, records)
}

// TestTampering: each of 1,000 random tamperings is found, also where the chain is forged to fit, and is still found when the
// server has been started on it and has gone on.
func TestTampering(t *testing.T) {
	whole := t.TempDir()
	write(t, whole, 40, 6<<10)
	write(t, whole, 5, 0)
	random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test's
	kinds := map[string]int{}
	for i := range 1000 {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		all := logs(t, dir)
		path := all[random.IntN(len(all))]
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(before) == 0 {
			continue
		}
		kind, after := tamper(random, before)
		if random.IntN(3) == 0 && after != nil {
			kind += ", forged"
			_, first, _ := split(before[:bytes.IndexByte(before, '\n')+1])
			at := link{Sequence: first.Sequence - 1} // its digest is in the file before
			for j, each := range all {
				if each == path && j > 0 {
					text, err := os.ReadFile(all[j-1])
					if err != nil {
						t.Fatal(err)
					}
					_, at, _ = split(text[bytes.LastIndexByte(text[:len(text)-1], '\n')+1:])
				}
			}
			after = forge(after, at)
		}
		if bytes.Equal(before, after) {
			continue
		}
		if after == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, after, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		kinds[kind]++
		report := verified(t, dir)
		if len(report.Findings) == 0 {
			t.Fatalf("%d: %s of %s is not found", i, kind, filepath.Base(path))
		}
		if i%10 == 0 {
			write(t, dir, 2, 0)
			if again := verified(t, dir); len(again.Findings) == 0 {
				t.Fatalf("%d: %s of %s is not found any more after a start", i, kind, filepath.Base(path))
			}
		}
	}
	t.Log(kinds)
	total := 0
	for _, n := range kinds {
		total += n
	}
	if total < 950 || len(kinds) < 12 {
		t.Errorf("only %d tamperings of %d kinds", total, len(kinds))
	}
}

// tamper is a kind of tampering and what it makes of a file; nil is that the file is gone.
func tamper(random *rand.Rand, text []byte) (kind string, after []byte) {
	lines := bytes.SplitAfter(text, []byte{'\n'})
	lines = lines[:len(lines)-1]
	n := random.IntN(len(lines))
	switch random.IntN(8) {
	case 0:
		after = bytes.Clone(text)
		at := random.IntN(len(after))
		after[at] ^= 1 << random.IntN(8)
		return "a bit", after
	case 1:
		return "a line less", bytes.Join(slices.Delete(slices.Clone(lines), n, n+1), nil)
	case 2:
		other := random.IntN(len(lines))
		swapped := slices.Clone(lines)
		swapped[n], swapped[other] = swapped[other], swapped[n]
		return "two lines swapped", bytes.Join(swapped, nil)
	case 3:
		return "a line twice", bytes.Join(slices.Insert(slices.Clone(lines), n, lines[n]), nil)
	case 4:
		return "an end less", slices.Clone(text[:random.IntN(len(text))])
	case 5:
		return "a beginning less", slices.Clone(text[1+random.IntN(len(text)):])
	case 6:
		return "another user", append(bytes.Join(lines[:n], nil), append(bytes.Replace(lines[n], []byte("ResetUserPassword"), []byte("DescribeDirectory"), 1), bytes.Join(lines[n+1:], nil)...)...)
	default:
		return "a file less", nil
	}
}

// Whoever replaces the digest needs the key.
func TestDigestForged(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 3, 0)
	path := filepath.Join(dir, DigestFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stated, err := readStatement(dir, signer().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func() error{
		"gone":  func() error { return os.Remove(path) },
		"empty": func() error { return os.WriteFile(path, nil, 0o600) },
		"another number": func() error {
			return os.WriteFile(path, bytes.Replace(whole, []byte(`"sequence":3`), []byte(`"sequence":2`), 1), 0o600)
		},
		"another key's":   func() error { return stated.write(dir, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))) },
		"without any log": func() error { return os.Remove(filepath.Join(dir, LogFile)) },
	} {
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, dir); len(r.Findings) == 0 {
			t.Errorf("%s: not found", name)
		}
		if name == "without any log" {
			break
		}
	}
}

// Files that are too old go, and what is left is whole; a rotation that a crash has stopped is finished.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	clock := at
	o := options(func() time.Time { return clock })
	o.Keep = Retention{Age: 48 * time.Hour}
	record := func(name string) {
		t.Helper()
		l, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		e := call(name, false)
		if err := errors.Join(l.Intent(t.Context(), e), l.Outcome(t.Context(), e), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for day := range 6 {
		record(fmt.Sprint("day ", day))
		// What the file system says of their age decides nothing.
		for _, path := range logs(t, dir) {
			if err := os.Chtimes(path, time.Time{}, clock.AddDate(-1, 0, 0)); err != nil {
				t.Fatal(err)
			}
		}
		clock = clock.Add(25 * time.Hour)
	}
	all := logs(t, dir)
	if len(all) < 2 || len(all) > 4 {
		t.Errorf("%d files are left: %v", len(all), all)
	}
	if r := verified(t, dir); len(r.Findings) > 0 || r.Files != len(all) {
		t.Errorf("%+v", r)
	}

	// As if the process had ended between the digest and the new name, or when the file had both names.
	o.Keep = Retention{} // nothing is too old now
	for _, both := range []bool{false, true} {
		all := logs(t, dir)
		stated, err := readStatement(dir, signer().Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		last := &stated.Files[len(stated.Files)-1]
		next := part{Name: LogFile, First: last.Last, Last: last.Last}
		last.Name, last.Rotated = rotated(last.First), clock
		former := filepath.Join(dir, last.Name)
		stated.Files = append(stated.Files, next)
		if err := stated.write(dir, signer()); err != nil {
			t.Fatal(err)
		}
		if both {
			if err := os.Link(filepath.Join(dir, LogFile), former); err != nil {
				t.Fatal(err)
			}
		}
		record("after the crash")
		if r := verified(t, dir); len(r.Findings) > 0 || r.Files != len(all)+1 {
			t.Errorf("after a crash in the middle: %+v", r)
		}
		for _, path := range append(all, former) {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("an older file is gone: %v", err)
			}
		}
		if text, err := os.ReadFile(filepath.Join(dir, LogFile)); err != nil || strings.Count(string(text), "\n") != 1 {
			t.Errorf("%v: %s", err, text)
		}
	}
}

// While files succeed each other there always is one to open.
func TestSucceed(t *testing.T) {
	dir := t.TempDir()
	path, fresh := filepath.Join(dir, LogFile), filepath.Join(dir, LogFile+".new")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var opening sync.WaitGroup
	opening.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			file, err := os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			_ = file.Close()
		}
	})
	for n := range 1000 {
		if err := os.WriteFile(fresh, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := succeed(path, filepath.Join(dir, RotatedFile(uint64(n))), fresh); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	opening.Wait()

	// A file that has the former name already is not lost, nor is the one that was to have it.
	former := filepath.Join(dir, RotatedFile(0))
	for path, text := range map[string]string{path: "current", fresh: "fresh"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := succeed(path, former, fresh); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if err := errors.Join(os.Remove(former), os.Link(path, former)); err != nil {
		t.Fatal(err)
	}
	if err := succeed(path, former, fresh); err != nil {
		t.Errorf("with both names: %v", err)
	}
	for path, want := range map[string]string{path: "fresh", former: "current"} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s: %v, %q", path, err, text)
		}
	}
}

// memory is a Head.
type memory struct {
	mu      sync.Mutex
	records uint64
}

func (m *memory) Load(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records, nil
}

func (m *memory) Save(_ context.Context, records uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = records
	return nil
}

// TestRollback: files that were put back together with their digest, or that are gone with it, are not what the head says.
func TestRollback(t *testing.T) {
	head := &memory{}
	record := func(dir string, records int) {
		t.Helper()
		o := options(now)
		o.Head = head
		l, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for range records {
			e := call(newID(), false)
			if err := errors.Join(l.Intent(t.Context(), e), l.Outcome(t.Context(), e)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	record(dir, 3)
	older := t.TempDir()
	if err := os.CopyFS(older, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	record(dir, 4)
	record(dir, 0)
	if r := verified(t, dir); len(r.Findings) > 0 || head.records != 7 {
		t.Fatalf("untouched: %+v, head %d", r, head.records)
	}
	for name, change := range map[string]func(dir string) error{
		"rolled back": func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(older)))
		},
		"removed": func(dir string) error { return os.RemoveAll(dir) },
		"without its chain": func(dir string) error {
			path := filepath.Join(dir, LogFile)
			text, err := os.ReadFile(path)
			var bare []byte
			for line := range bytes.Lines(text) {
				record, _, _ := split(line)
				bare = append(append(bare, record...), '\n')
			}
			return errors.Join(err, os.WriteFile(path, bare, 0o600), os.Remove(filepath.Join(dir, DigestFile)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			touched := filepath.Join(t.TempDir(), "trail")
			if err := errors.Join(os.CopyFS(touched, os.DirFS(dir)), change(touched)); err != nil {
				t.Fatal(err)
			}
			head.records = 7
			record(touched, 2)
			if r := verified(t, touched); len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Text, IntegrityLost) {
				t.Errorf("%+v", r)
			}
			if head.records < 10 {
				t.Errorf("numbers do not go on: %d", head.records)
			}
		})
	}
}
