package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRecovery(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for _, id := range []string{"done", "open", "open2"} {
		if err := l.Intent(ctx, call(id, false)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Outcome(ctx, call("done", false)); err != nil {
		t.Fatal(err)
	}
	copied := crashed(t, dir)
	for name, torn := range map[string]string{LogFile: `{"eventVersion":"1.08","requestID":"open"`, IntentFile: "garbage\n{\"offset\":12"} {
		file, err := os.OpenFile(filepath.Join(copied, name), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(file, torn); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing left to do
		recovered, err := Open(copied, options(now))
		if err != nil {
			t.Fatal(err)
		}
		got := events(t, copied)
		if len(got) != 3 || got[0].RequestID != "done" || got[0].ErrorCode != "" {
			t.Fatalf("got %d events: %v", len(got), got)
		}
		for i, id := range []string{"open", "open2"} {
			want := call(id, false)
			want.EventVersion, want.EventSource, want.EventType, want.EventCategory, want.ManagementEvent = Version, Source, Type, Category, true
			want.EventID, want.EventTime = got[i+1].EventID, at.UTC().Truncate(time.Second)
			want.ErrorCode, want.ErrorMessage, want.ResponseElements = OutcomeUnknown, outcomeUnknownText, json.RawMessage("null")
			if diff := cmp.Diff(*want, got[i+1]); diff != "" {
				t.Errorf("recovered event (-want +got):\n%s", diff)
			}
		}
		if err := recovered.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTornTails(t *testing.T) {
	line := string(call("r", true).append(nil)) + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", ""},
		"whole":             {line + line, line + line},
		"only a torn line":  {line[:20], ""},
		"torn":              {line + line[:len(line)-1], line},
		"zeros":             {line + strings.Repeat("\x00", 200_000), line},
		"torn over a chunk": {line + strings.Repeat("x", 64<<10), line},
		"chunk boundary":    {strings.Repeat("y", 64<<10-1) + "\n" + strings.Repeat("x", 64<<10), strings.Repeat("y", 64<<10-1) + "\n"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, LogFile), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		mustOpen(t, dir)
		if got, err := os.ReadFile(filepath.Join(dir, LogFile)); err != nil || string(got) != c.want {
			t.Errorf("%s: %d bytes left, want %d (%v)", name, len(got), len(c.want), err)
		}
	}
}

// TestEveryPrefix cuts both files anywhere, as a crash of the machine may: Open succeeds, and every intent that is whole has
// exactly one outcome.
func TestEveryPrefix(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	l := mustOpen(t, dir)
	for i := range 6 {
		e := call(fmt.Sprint("w", i), false)
		if err := errors.Join(l.Intent(ctx, e), l.Outcome(ctx, e)); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, LogFile))
	if err != nil {
		t.Fatal(err)
	}
	intents, err := os.ReadFile(filepath.Join(dir, IntentFile))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		cutLog, cutIntents := log[:random.IntN(len(log)+1)], intents[:random.IntN(len(intents)+1)]
		copied := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(copied, LogFile), cutLog, 0o600),
			os.WriteFile(filepath.Join(copied, IntentFile), cutIntents, 0o600)); err != nil {
			t.Fatal(err)
		}
		recovered, err := Open(copied, options(now))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, e := range events(t, copied) {
			seen[e.RequestID]++
		}
		for i := range max(bytes.Count(cutIntents, []byte("\n")), bytes.Count(cutLog, []byte("\n"))) {
			if id := fmt.Sprint("w", i); seen[id] != 1 {
				t.Fatalf("log cut at %d, intents at %d: %s is there %d times", len(cutLog), len(cutIntents), id, seen[id])
			}
		}
		if err := recovered.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// crashWriter is the process that TestKill kills: it prints the id of every outcome once it is acknowledged.
func crashWriter(dir string) {
	l, err := Open(dir, options(time.Now))
	if err != nil {
		fmt.Println(err)
		return
	}
	var out sync.Mutex
	for worker := range 4 {
		go func() {
			for i := 0; ; i++ {
				e := call(fmt.Sprintf("w%d-%d", worker, i), false)
				if l.Intent(context.Background(), e) != nil || l.Outcome(context.Background(), e) != nil {
					return
				}
				out.Lock()
				fmt.Println(e.RequestID)
				out.Unlock()
			}
		}()
	}
	time.Sleep(time.Minute)
}

// acknowledged collects what a process prints, and closes enough when there are many lines of it.
type acknowledged struct {
	text   bytes.Buffer
	lines  int
	enough chan struct{}
}

func (a *acknowledged) Write(text []byte) (int, error) {
	const many = 100
	before := a.lines
	if a.lines += bytes.Count(text, []byte("\n")); before < many && a.lines >= many {
		close(a.enough)
	}
	return a.text.Write(text)
}

// TestKill kills a writing process: every acknowledged outcome is in the file, once.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		before := len(events(t, mustTouch(t, dir)))
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "LATCHKEY_TEST_AUDIT_CRASH="+dir)
		said := &acknowledged{enough: make(chan struct{})}
		child.Stdout = said
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = child.Wait() // "signal: killed"
		}()
		select {
		case <-said.enough:
		case <-ended:
			t.Fatalf("the process ended by itself: %s", &said.text)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		l, err := Open(dir, options(now))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, e := range events(t, dir)[before:] {
			seen[e.RequestID]++
		}
		ids := strings.Split(said.text.String(), "\n")
		for _, id := range ids[:len(ids)-1] {
			if seen[id] != 1 {
				t.Fatalf("%s was acknowledged and is there %d times", id, seen[id])
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func mustTouch(t *testing.T, dir string) string {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, LogFile), os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
