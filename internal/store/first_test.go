package store_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"latchkey/internal/store"
)

// TestFirstStartInterrupted: what a first start has left that was killed before its end is thrown away, whatever it is;
// once a start has come to its end, its directory stays.
func TestFirstStartInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	open := func() *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	wal := filepath.Join(dir, "member", "wal")
	if err := os.MkdirAll(wal, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(wal, "0000000000000000-0000000000000000.wal"), dir + ".unfinished"} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, value := range []string{"kept", "another"} {
		s := open()
		if _, err := os.Stat(dir + ".unfinished"); !os.IsNotExist(err) {
			t.Errorf("after a start: %v", err)
		}
		if got, err := s.Once(context.Background(), "name", []byte(value)); err != nil || string(got) != "kept" {
			t.Errorf("got %q, %v", got, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
