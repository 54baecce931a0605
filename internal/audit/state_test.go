package audit

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestState: it tells how many records there are, how many no digest covers, and that nothing can be written while that is so.
func TestState(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	var full atomic.Bool
	var mu sync.Mutex
	var wrote, failed int
	o := options(now)
	o.Wrote = func(took time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		if took <= 0 {
			t.Errorf("a batch took %s", took)
		}
		if wrote++; err != nil {
			failed++
		}
	}
	l, err := open(dir, o, filling(&full))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	await := func(what string, is func(State) bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(l.State()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s did not come: %+v", what, l.State())
			}
		}
	}
	if s := l.State(); s != (State{}) {
		t.Errorf("a new trail: %+v", s)
	}
	// A directory in its place keeps the digest from being written.
	digest := filepath.Join(dir, DigestFile)
	if err := errors.Join(os.Remove(digest), os.Mkdir(digest, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"w1", "w2"} {
		e := call(id, false)
		if err := errors.Join(l.Intent(ctx, e), l.Outcome(ctx, e)); err != nil {
			t.Fatal(err)
		}
	}
	await("two records without a digest", func(s State) bool { return s == State{Records: 2, Unsealed: 2} })
	if err := os.Remove(digest); err != nil {
		t.Fatal(err)
	}
	await("a digest", func(s State) bool { return s == State{Records: 2} })
	full.Store(true)
	if err := l.Outcome(ctx, call("w3", false)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Outcome: %v", err)
	}
	await("trouble", func(s State) bool { return errors.Is(s.Trouble, syscall.ENOSPC) && s.Records == 3 && s.Unsealed == 1 })
	full.Store(false)
	await("the end of it", func(s State) bool { return s == State{Records: 3} })
	mu.Lock()
	defer mu.Unlock()
	if failed == 0 || wrote < failed+5 {
		t.Errorf("%d batches, %d failed", wrote, failed)
	}
}
