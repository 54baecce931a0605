package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"latchkey/internal/identity"
)

var at = time.Date(2026, 6, 9, 12, 0, 0, 5, time.FixedZone("CEST", 7200))

func now() time.Time { return at }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestMain(m *testing.M) {
	if dir := os.Getenv("LATCHKEY_TEST_AUDIT_CRASH"); dir != "" {
		crashWriter(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// signer is the key of every trail of the tests.
func signer() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

func options(now func() time.Time) Options {
	return Options{Signer: signer(), Logger: quiet(), Now: now}
}

func logging(logger *slog.Logger) Options { return Options{Signer: signer(), Logger: logger, Now: now} }

func mustOpen(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := Open(dir, options(now))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func call(requestID string, readOnly bool) *Event {
	return &Event{
		UserIdentity: Identify(identity.Root("aws", "123456789012", "AKIAIOSFODNN7EXAMPLE")), EventName: "ResetUserPassword",
		AWSRegion: "us-east-1", SourceIPAddress: "192.0.2.1", UserAgent: "aws-cli/2.31", RequestID: requestID,
		ReadOnly: readOnly, RecipientAccountID: "123456789012", RequestParameters: json.RawMessage(`{"directoryId":"d-1234567890"}`),
	}
}

// crashed is a copy of the directory as it is now, which is what a killed process would leave.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	for _, name := range []string{LogFile, IntentFile, DigestFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

func events(t testing.TB, dir string) []Event {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, LogFile))
	if err != nil {
		t.Fatal(err)
	}
	var all []Event
	for line := range bytes.Lines(text) {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil || line[len(line)-1] != '\n' {
			t.Fatalf("line %d, %q: %v", len(all)+1, line, err)
		}
		all = append(all, e)
	}
	return all
}

func intentSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, IntentFile))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestWriteAndRead(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "audit")
	l := mustOpen(t, dir)
	write := call("w1", false)
	if err := l.Intent(ctx, write); err != nil {
		t.Fatal(err)
	}
	if len(write.EventID) != 36 || write.EventTime != at {
		t.Errorf("got id %q and time %v", write.EventID, write.EventTime)
	}
	if err := l.Outcome(ctx, write); err != nil {
		t.Fatal(err)
	}
	if got := events(t, dir); len(got) != 1 || got[0].EventID != write.EventID {
		t.Errorf("the outcome is not in the file when Outcome returns: %v", got)
	}
	if err := l.Outcome(ctx, call("r1", true)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(events(t, dir)) < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the event of a read did not come to be written")
		}
	}
	for _, name := range []string{LogFile, IntentFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if _, err := Open(dir, options(now)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("opened twice: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Outcome(ctx, call("r2", true)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if size := intentSize(t, dir); size != 0 {
		t.Errorf("%d bytes of intents after Close, none is open", size)
	}
}

// TestConcurrent also checks that one caller's events keep their order and that the intent file stays small.
func TestConcurrent(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	l := mustOpen(t, dir)
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for i := range 200 {
				e := call(fmt.Sprintf("%d-%03d", caller, i), i%2 == 0)
				if !e.ReadOnly {
					if err := l.Intent(ctx, e); err != nil {
						t.Error(err)
					}
				}
				if err := l.Outcome(ctx, e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if size := intentSize(t, dir); size > 2*tidyBytes {
		t.Errorf("audit.intent has %d bytes", size)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	last := map[byte]string{}
	all := events(t, dir)
	for _, e := range all {
		if e.RequestID <= last[e.RequestID[0]] {
			t.Fatalf("%s came after %s", e.RequestID, last[e.RequestID[0]])
		}
		last[e.RequestID[0]] = e.RequestID
	}
	if len(all) != 1600 {
		t.Errorf("%d events, want 1600", len(all))
	}
}

// TestIntentFileStaysSmall keeps one intent open while many others come and go, and then crashes.
func TestIntentFileStaysSmall(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	l := mustOpen(t, dir)
	if err := l.Intent(ctx, call("stuck", false)); err != nil {
		t.Fatal(err)
	}
	big := json.RawMessage(`"` + strings.Repeat("x", 50_000) + `"`)
	for i := range 20 {
		e := call(fmt.Sprint("w", i), false)
		e.RequestParameters = big
		if err := errors.Join(l.Intent(ctx, e), l.Outcome(ctx, e)); err != nil {
			t.Fatal(err)
		}
	}
	if size := intentSize(t, dir); size > tidyBytes+200_000 {
		t.Errorf("audit.intent has %d bytes", size)
	}
	copied := crashed(t, dir)
	mustOpen(t, copied)
	all := events(t, copied)
	if last := all[len(all)-1]; len(all) != 21 || last.RequestID != "stuck" || last.ErrorCode != OutcomeUnknown {
		t.Errorf("%d events, the last is %s %s", len(all), last.RequestID, last.ErrorCode)
	}
}

func BenchmarkOutcomeRead(b *testing.B) {
	l := mustOpen(b, b.TempDir())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Outcome(b.Context(), call("362da74b-62dc-4116-8785-e65cbacb52c3", true)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	for _, callers := range []int{2, 16, 64} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			l := mustOpen(b, b.TempDir())
			var id atomic.Int64
			b.SetParallelism(callers / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					e := call(fmt.Sprint(id.Add(1)), false)
					if err := errors.Join(l.Intent(b.Context(), e), l.Outcome(b.Context(), e)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
