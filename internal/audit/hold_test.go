package audit

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestHold: what is held while calls are recorded and files are rotated verifies, opens again, and has all that was there before.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	public := signer().Public().(ed25519.PublicKey)
	options := Options{Signer: signer(), Keep: Retention{Size: 8 << 10}, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	l, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := publish(dir, public); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	recorded := uint64(0)
	stop := make(chan struct{})
	var writing sync.WaitGroup
	for w := range 4 {
		writing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				e := &Event{RequestID: fmt.Sprint(w, "/", i), EventName: "ResetUserPassword"}
				if err := l.Intent(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
				if err := l.Outcome(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				recorded++
				mu.Unlock()
			}
		})
	}
	rotated := 0
	for round := range 4 {
		mu.Lock()
		before := recorded
		mu.Unlock()
		held, release, err := Hold(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		copied := t.TempDir()
		for _, each := range held {
			text, err := io.ReadAll(each)
			if err != nil || int64(len(text)) != each.Size {
				t.Errorf("%s: %d bytes of %d, %v", each.Name, len(text), each.Size, err)
			}
			if err := os.WriteFile(filepath.Join(copied, each.Name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		release()
		rotated = max(rotated, len(held)-3)
		report, err := Verify(copied, public)
		if err != nil || len(report.Findings) > 0 || report.Unsigned > 0 || report.Records < before {
			t.Errorf("round %d: %+v, %v; %d were recorded before", round, report, err, before)
		}
		again, err := Open(copied, options)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		if report, err := Verify(copied, public); err != nil || len(report.Findings) > 0 {
			t.Errorf("round %d: opened again: %+v, %v", round, report, err)
		}
	}
	close(stop)
	writing.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if rotated == 0 {
		t.Error("no file was rotated")
	}
}
