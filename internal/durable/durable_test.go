package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"latchkey/internal/durable"
)

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"first", "", "second and longer"} {
		if err := durable.Replace(path, 0o640, []byte(content)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		got, readErr := os.ReadFile(path)
		if err != nil || readErr != nil || string(got) != content || info.Mode() != 0o640 {
			t.Errorf("%q: %q, %v, %v", content, got, info.Mode(), errors.Join(err, readErr))
		}
	}
	if all := names(t, filepath.Dir(path)); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := durable.Create(path, 0o600, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(path, 0o600, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
	if all := names(t, filepath.Dir(path)); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}

// Of many who create the same file one does.
func TestCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var group sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 20 {
		group.Go(func() {
			err := durable.Create(path, 0o600, bytes.Repeat([]byte{byte('a' + i)}, 1000))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	got, err := os.ReadFile(path)
	if err != nil || made != 1 || len(got) != 1000 || bytes.Count(got, got[:1]) != 1000 {
		t.Errorf("%d made it, %d bytes, %v", made, len(got), err)
	}
}

// A reader finds one of the contents, and never a part.
func TestReplaceWhileRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	contents := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := durable.Replace(path, 0o600, contents[0]); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 50 {
			if err := durable.Replace(path, 0o600, contents[i%2]); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	if err := durable.Replace(filepath.Join(dir, "missing", "file"), 0o600, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// A directory can't be replaced by a file, and nothing is left of the attempt.
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(filepath.Join(dir, "taken"), 0o600, []byte("x")); err == nil {
		t.Error("a directory was replaced")
	}
	if all := names(t, dir); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}
