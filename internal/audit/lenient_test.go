package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestContinue: calls go on while nothing can be written; what memory held is written later, and of what it could not hold
// there is a record.
func TestContinue(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	var full atomic.Bool
	var said bytes.Buffer
	settings := logging(slog.New(slog.NewTextHandler(&said, nil)))
	settings.Continue = true
	l, err := open(dir, settings, filling(&full))
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	parameters := json.RawMessage(`"` + strings.Repeat("x", 90_000) + `"`)
	const calls = 2 * maxPending / 90_000
	for i := range calls {
		e := call(fmt.Sprint("w", i), false)
		e.RequestParameters = parameters
		if err := errors.Join(l.Intent(ctx, e), l.Outcome(ctx, e)); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	full.Store(false)
	var told *Event
	kept := 0
	for deadline := time.Now().Add(time.Minute); told == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody tells of the lost records")
		}
		kept = 0
		if err := Read(dir, func(e *Event, _ []byte) error {
			if e.EventName == RecordsLost {
				told = e
			} else {
				kept++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var counted struct{ Records int }
	if err := json.Unmarshal(told.AdditionalEventData, &counted); err != nil {
		t.Fatal(err)
	}
	if kept == 0 || counted.Records == 0 || kept+counted.Records != calls || !strings.Contains(told.ErrorMessage, "no space left") {
		t.Errorf("%d kept and %d lost of %d calls: %s", kept, counted.Records, calls, told.ErrorMessage)
	}
	if n := strings.Count(said.String(), "a call is not in the audit log"); n != counted.Records {
		t.Errorf("the log tells of %d lost records, the trail of %d", n, counted.Records)
	}
	for _, text := range []string{"calls go on, without their records on the disk, until it can", "can be written again"} {
		if strings.Count(said.String(), text) != 1 {
			t.Errorf("%q is not once in the log", text)
		}
	}
	if report, err := Verify(dir, signer().Public().(ed25519.PublicKey)); err != nil || len(report.Findings) > 0 {
		t.Errorf("%v %v", report.Findings, err)
	}
}

// TestContinueAfterFailedSync: a log that has failed for good stops no call.
func TestContinueAfterFailedSync(t *testing.T) {
	ctx := t.Context()
	var said bytes.Buffer
	settings := logging(slog.New(slog.NewTextHandler(&said, nil)))
	settings.Continue = true
	l, err := open(t.TempDir(), settings, disk{write: (*os.File).Write, sync: func(*os.File) error { return syscall.EIO }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		e := call(fmt.Sprint("w", i), false)
		if err := errors.Join(l.Intent(ctx, e), l.Outcome(ctx, e), l.Outcome(ctx, call(fmt.Sprint("r", i), true))); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if err := l.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v", err)
	}
	// Whether the first read's line was in the batch whose sync failed, nobody can say.
	if n := strings.Count(said.String(), "a call is not in the audit log"); n < 5 {
		t.Errorf("the log tells of %d lost records:\n%s", n, &said)
	}
	if !strings.Contains(said.String(), "no call will be recorded any more until the server is restarted") {
		t.Errorf("%s", &said)
	}
}
