package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// filling is a disk that has no room while full says so.
func filling(full *atomic.Bool) disk {
	return disk{
		write: func(file *os.File, text []byte) (int, error) {
			if full.Load() {
				return 0, syscall.ENOSPC
			}
			return file.Write(text)
		},
		sync: (*os.File).Sync,
	}
}

// TestDiskFull: while nothing can be written changes are refused, and what was acknowledged is written later.
func TestDiskFull(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	var full atomic.Bool
	l, err := open(dir, options(now), disk{
		write: func(file *os.File, text []byte) (int, error) {
			if full.Load() {
				n, err := file.Write(text[:len(text)/2])
				return n, errors.Join(syscall.ENOSPC, err)
			}
			return file.Write(text)
		},
		sync: (*os.File).Sync,
	})
	if err != nil {
		t.Fatal(err)
	}
	begun := call("begun", false)
	if err := l.Intent(ctx, begun); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	if err := l.Intent(ctx, call("refused", false)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Intent: %v", err)
	}
	if err := l.Outcome(ctx, call("read", true)); err != nil {
		t.Errorf("Outcome of a read: %v", err)
	}
	if err := l.Outcome(ctx, begun); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Outcome of a write: %v", err)
	}
	if got := events(t, dir); len(got) != 0 {
		t.Errorf("half a line was left: %v", got)
	}
	// A queue that can't be written must not grow for ever.
	parameters := json.RawMessage(`"` + strings.Repeat("x", 90_000) + `"`)
	for i := 0; ; i++ {
		e := call(fmt.Sprint("big", i), true)
		e.RequestParameters = parameters
		if err := l.Outcome(ctx, e); errors.Is(err, syscall.ENOSPC) {
			break
		}
		if i > 3*maxPending/90_000 {
			t.Fatal("no back-pressure on a full disk")
		}
	}
	full.Store(false)
	for deadline := time.Now().Add(time.Minute); l.Intent(ctx, call("after", false)) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no recovery after the disk has room again")
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := events(t, dir)
	if got[0].RequestID != "read" || got[1].RequestID != "begun" || got[1].ErrorCode != "" {
		t.Errorf("got %s and %s", got[0].RequestID, got[1].RequestID)
	}
}

// TestFailedSync: after a failed sync nothing is known about the disk, and the log refuses all.
func TestFailedSync(t *testing.T) {
	ctx := t.Context()
	for _, broken := range []string{LogFile, IntentFile} {
		var bad atomic.Bool
		var said bytes.Buffer
		l, err := open(t.TempDir(), logging(slog.New(slog.NewTextHandler(&said, nil))), disk{
			write: (*os.File).Write,
			sync: func(file *os.File) error {
				if bad.Load() && filepath.Base(file.Name()) == broken {
					return syscall.EIO
				}
				return file.Sync()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		bad.Store(true)
		e := call("w", false)
		if err := errors.Join(l.Intent(ctx, e), l.Outcome(ctx, e)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", broken, err)
		}
		bad.Store(false)
		if err := l.Intent(ctx, call("w2", false)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: a later Intent: %v", broken, err)
		}
		if err := l.Outcome(ctx, call("r", true)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: a later Outcome: %v", broken, err)
		}
		if err := l.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Close: %v", broken, err)
		}
		if n := strings.Count(said.String(), "the audit log has failed"); n != 1 {
			t.Errorf("%s: said %d times that it failed:\n%s", broken, n, &said)
		}
	}
}

func TestBackPressure(t *testing.T) {
	dir := t.TempDir()
	gate := make(chan struct{})
	l, err := open(dir, options(now), disk{
		write: func(file *os.File, text []byte) (int, error) { <-gate; return file.Write(text) },
		sync:  (*os.File).Sync,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	acknowledged := 0
	for {
		e := call(fmt.Sprint("r", acknowledged), true)
		e.RequestParameters = json.RawMessage(`"` + strings.Repeat("x", 90_000) + `"`)
		if err := l.Outcome(ctx, e); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
		acknowledged++
	}
	if most := 3 * maxPending / 90_000; acknowledged > most {
		t.Errorf("%d events queued", acknowledged)
	}
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	if err := l.Intent(cancelled, call("w", false)); !errors.Is(err, context.Canceled) {
		t.Errorf("Intent with a dead context: %v", err)
	}
	close(gate)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := events(t, dir); len(got) != acknowledged {
		t.Errorf("%d events in the file, %d were acknowledged", len(got), acknowledged)
	}
}
