package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"latchkey/internal/store"
)

// A store that is closed under load answers with errors; it does not take the process with it, and what it acknowledged
// is there when it is opened again.
func TestCloseUnderLoad(t *testing.T) {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	for round := range 10 {
		dir := t.TempDir()
		s, err := store.Open(t.Context(), store.Options{Dir: dir, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		directories, err := s.FollowDirectories(ctx, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		acknowledged := make(chan []string)
		for w := range 4 {
			go func() {
				var names []string
				for n := 0; ; n++ {
					name := fmt.Sprintf("%d-%d", w, n)
					if _, err := s.Once(ctx, name, []byte(name)); err != nil {
						acknowledged <- names
						return
					}
					names = append(names, name)
				}
			}()
		}
		for len(directories.All("", "", "", 1)) == 0 {
			if err := directories.Put(ctx, &store.Directory{ID: fmt.Sprint(round)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		cancel()
		directories.Wait()
		var names []string
		for range 4 {
			names = append(names, <-acknowledged...)
		}
		if s, err = store.Open(t.Context(), store.Options{Dir: dir, Logger: logger}); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if got, err := s.Once(t.Context(), name, []byte("another")); err != nil || string(got) != name {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}
