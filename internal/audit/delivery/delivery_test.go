package delivery_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"latchkey/internal/audit"
	"latchkey/internal/audit/delivery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

func await(t *testing.T, what string, sees func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !sees(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func openTrail(t *testing.T, dir string, keep audit.Retention) *audit.Log {
	t.Helper()
	l, err := audit.Open(dir, audit.Options{Signer: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Keep: keep, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// put records calls with the request ids r<from> to r<to-1>.
func put(t *testing.T, l *audit.Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		e := &audit.Event{EventName: "ResetUserPassword", RequestID: fmt.Sprint("r", i), ReadOnly: i%10 > 0, SourceIPAddress: strings.Repeat("x", 200)}
		if !e.ReadOnly {
			if err := l.Intent(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Outcome(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func parse(t *testing.T, text string) *delivery.Target {
	t.Helper()
	target, err := delivery.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// deliver starts the delivery of a trail.
func deliver(t *testing.T, l *audit.Log, dir string, log io.Writer, out io.Writer, urls ...string) *delivery.Sinks {
	t.Helper()
	var targets []*delivery.Target
	for _, text := range urls {
		targets = append(targets, parse(t, text))
	}
	s, err := delivery.New(l, delivery.Options{Dir: dir, Targets: targets, Stdout: out, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// receiver is an endpoint whose mood changes.
type receiver struct {
	mu       sync.Mutex
	mood     string
	ids      []string // of what it has acknowledged
	requests map[string]int
	faulty   []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	mood := r.mood
	if r.requests == nil {
		r.requests = map[string]int{}
	}
	r.requests[mood]++
	r.mu.Unlock()
	var ids []string
	for lines := bufio.NewReader(request.Body); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var record struct{ RequestID string }
		if err := json.Unmarshal(line, &record); err != nil {
			r.mu.Lock()
			r.faulty = append(r.faulty, string(line))
			r.mu.Unlock()
		}
		ids = append(ids, record.RequestID)
	}
	switch mood {
	case "dead":
		panic(http.ErrAbortHandler)
	case "slow":
		time.Sleep(200 * time.Millisecond)
	case "500":
		http.Error(w, strings.Repeat("no ", 1<<20), http.StatusInternalServerError)
		return
	}
	if request.Header.Get("Content-Type") != "application/x-ndjson" {
		ids = append(ids, "another content type")
	}
	r.mu.Lock()
	r.ids = append(r.ids, ids...)
	r.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

func (r *receiver) is(mood string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mood = mood
}

func (r *receiver) asked(mood string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[mood]
}

func (r *receiver) has() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.ids...)
}

func (r *receiver) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ids) == 0 {
		return ""
	}
	return r.ids[len(r.ids)-1]
}

// whole fails unless ids are r0 to r<n-1> in order, but for steps back: what came twice.
func whole(t *testing.T, ids []string, n int) {
	t.Helper()
	next := 0
	for _, id := range ids {
		var number int
		if _, err := fmt.Sscanf(id, "r%d", &number); err != nil || number > next {
			t.Fatalf("%q follows r%d", id, next-1)
		}
		next = max(next, number+1)
	}
	if next != n {
		t.Fatalf("r%d is the last of %d records", next-1, n)
	}
}

// safe is a buffer that a logger writes to.
type safe struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *safe) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(text)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestEndpointComesAndGoes: an endpoint that is dead, then slow, then answers 500, then is well has every record in order, across
// rotated files and a restart; files that it has not had are kept over their age.
func TestEndpointComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	keep := audit.Retention{Size: 64 << 10, Age: time.Nanosecond}
	l := openTrail(t, dir, keep)
	endpoint := &receiver{mood: "dead"}
	server := httptest.NewServer(endpoint)
	defer server.Close()
	log := &safe{}
	s := deliver(t, l, dir, log, nil, server.URL+"/audit?token=secret")
	l.KeepFor(s.Needed)

	const step = 600
	put(t, l, 0, step)
	await(t, "a first try", func() bool { return endpoint.asked("dead") > 0 })
	endpoint.is("slow")
	put(t, l, step, 2*step)
	await(t, "a record", func() bool { return len(endpoint.has()) > 0 })
	endpoint.is("500")
	put(t, l, 2*step, 3*step)
	await(t, "an answer 500", func() bool { return endpoint.asked("500") > 0 })
	// A stop while the endpoint is not well, and a start while it still is not.
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	l = openTrail(t, dir, keep)
	s = deliver(t, l, dir, log, nil, server.URL+"/audit?token=secret")
	l.KeepFor(s.Needed)
	put(t, l, 3*step, 4*step)
	await(t, "an error in its status", func() bool {
		status := s.Status()[0]
		return status.Err != nil && status.Lag > 0 && strings.Contains(status.Err.Error(), "500") && !status.Since.IsZero()
	})
	endpoint.is("well")
	await(t, "the last record", func() bool { return endpoint.last() == fmt.Sprint("r", 4*step-1) })
	await(t, "a status without an error", func() bool { status := s.Status()[0]; return status.Lag == 0 && status.Err == nil })
	whole(t, endpoint.has(), 4*step)
	if len(endpoint.faulty) > 0 {
		t.Errorf("%q", endpoint.faulty)
	}
	for _, text := range []string{"an audit sink does not take records", "an audit sink takes records again"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("%q is not in the log", text)
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("a secret in the log: %s", log)
	}

	// Once all is delivered, files that are too old go, and the endpoint misses nothing.
	put(t, l, 4*step, 5*step)
	await(t, "the end of the oldest file", func() bool {
		_, err := os.Stat(filepath.Join(dir, "audit-00000000000000000001.log"))
		return os.IsNotExist(err)
	})
	await(t, "the last record", func() bool { return endpoint.last() == fmt.Sprint("r", 5*step-1) })
	whole(t, endpoint.has(), 5*step)
}

// TestRestarts: a sink goes on behind what it has had, whether its file was rotated meanwhile, its place is not known, or the
// records behind it are gone; a trail that is another one is delivered from its beginning.
func TestRestarts(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(t *testing.T, cursor string)
		want  string
		says  bool
	}{
		{"as it was", func(*testing.T, string) {}, "r10", false},
		{"another place", func(t *testing.T, cursor string) {
			change(t, cursor, func(c map[string]any) { c["offset"] = 7 })
		}, "r10", false},
		{"another trail", func(t *testing.T, cursor string) {
			change(t, cursor, func(c map[string]any) { c["digest"] = strings.Repeat("0", 64) })
		}, "r0", true},
		{"a trail that is shorter", func(t *testing.T, cursor string) {
			change(t, cursor, func(c map[string]any) { c["sequence"] = 1000 })
		}, "r0", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := openTrail(t, dir, audit.Retention{Size: 1})
			put(t, l, 0, 10)
			out, log := &safe{}, &safe{}
			s := deliver(t, l, dir, log, out, "stdout")
			await(t, "ten records", func() bool { return strings.Count(out.String(), "\n") == 10 })
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			s.Close()
			cursors, err := filepath.Glob(filepath.Join(dir, delivery.Dir, "*.json"))
			if err != nil || len(cursors) != 1 {
				t.Fatal(cursors, err)
			}
			c.alter(t, cursors[0])
			l = openTrail(t, dir, audit.Retention{Size: 1})
			put(t, l, 10, 15)
			out = &safe{}
			s = deliver(t, l, dir, log, out, "stdout")
			await(t, "the last record", func() bool { return strings.Contains(out.String(), `"requestID":"r14"`) })
			s.Close()
			first, _, _ := strings.Cut(out.String(), "\n")
			if !strings.Contains(first, `"requestID":"`+c.want+`"`) {
				t.Errorf("it goes on with %s", first)
			}
			if strings.Contains(log.String(), "not in the trail") != c.says {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func change(t *testing.T, path string, alter func(map[string]any)) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cursor map[string]any
	if err := json.Unmarshal(text, &cursor); err != nil {
		t.Fatal(err)
	}
	alter(cursor)
	if text, err = json.Marshal(cursor); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRemovedBeforeDelivered: unless files are kept for a sink, what is too old goes, and the log says how much a sink has missed.
func TestRemovedBeforeDelivered(t *testing.T) {
	dir := t.TempDir()
	l := openTrail(t, dir, audit.Retention{})
	put(t, l, 0, 10)
	out, log := &safe{}, &safe{}
	s := deliver(t, l, dir, log, out, "stdout")
	await(t, "ten records", func() bool { return strings.Count(out.String(), "\n") == 10 })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	// Each record is a file, of which all but the last go.
	l = openTrail(t, dir, audit.Retention{Size: 1, Age: time.Nanosecond})
	for i := 10; i < 30; i++ {
		put(t, l, i, i+1)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "audit-*.log"))
	if err != nil || len(left) > 10 {
		t.Fatal(left, err)
	}
	l = openTrail(t, dir, audit.Retention{})
	put(t, l, 30, 31)
	s = deliver(t, l, dir, log, out, "stdout")
	await(t, "the last record", func() bool { return strings.Contains(out.String(), `"requestID":"r30"`) })
	await(t, "a word about the others", func() bool {
		return strings.Contains(log.String(), "not in the trail") || strings.Contains(log.String(), "records were removed before an audit sink had them")
	})
	s.Close()
}

// TestCertificates: a receiver whose certificate nobody vouches for gets nothing.
func TestCertificates(t *testing.T) {
	endpoint := &receiver{}
	server := httptest.NewUnstartedServer(endpoint)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	folder := t.TempDir()
	right, wrong := filepath.Join(folder, "right.pem"), filepath.Join(folder, "wrong.pem")
	for path, certificate := range map[string][]byte{right: server.Certificate().Raw, wrong: otherCA(t)} {
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	token := filepath.Join(folder, "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := openTrail(t, dir, audit.Retention{})
	put(t, l, 0, 3)
	log := &safe{}
	for _, ca := range []string{"", "?ca=" + wrong} {
		s := deliver(t, l, dir, log, nil, server.URL+ca)
		await(t, "a refusal", func() bool { err := s.Status()[0].Err; return err != nil && strings.Contains(err.Error(), "x509") })
		s.Close()
	}
	if got := endpoint.has(); len(got) > 0 {
		t.Errorf("%q", got)
	}
	deliver(t, l, dir, log, nil, server.URL+"?ca="+right+"&bearer-file="+token)
	await(t, "the last record", func() bool { return endpoint.last() == "r2" })
	whole(t, endpoint.has(), 3)
	if strings.Contains(log.String(), "s3cret") {
		t.Error(log)
	}
}

// TestCloseDelivers: Close brings what is there to a sink that works, and does not wait for one that does not.
func TestCloseDelivers(t *testing.T) {
	dir := t.TempDir()
	l := openTrail(t, dir, audit.Retention{})
	dead := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer dead.Close()
	out := &safe{}
	s := deliver(t, l, dir, io.Discard, out, "stdout", dead.URL)
	put(t, l, 0, 2000)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if n := strings.Count(out.String(), "\n"); n != 2000 {
		t.Errorf("%d records", n)
	}
	if got := s.Status(); got[0].Lag != 0 || got[1].Lag != 2000 || s.Needed() != 1 {
		t.Errorf("%+v", got)
	}
}

// stuck is standard output that nobody reads until it is released.
type stuck struct {
	safe

	released chan struct{}
}

func (s *stuck) Write(text []byte) (int, error) {
	<-s.released
	return s.safe.Write(text)
}

// TestStuckOutput: standard output that nobody reads keeps nobody from stopping.
func TestStuckOutput(t *testing.T) {
	dir := t.TempDir()
	l := openTrail(t, dir, audit.Retention{})
	put(t, l, 0, 1)
	out := &stuck{released: make(chan struct{})}
	s := deliver(t, l, dir, io.Discard, out, "stdout")
	s.Close()
	if got := s.Status()[0]; got.Delivered != 0 || got.Lag != 1 {
		t.Errorf("%+v", got)
	}
	close(out.released)
	await(t, "the record", func() bool { return strings.Count(out.String(), "\n") == 1 })
}

func TestParse(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"stdout":                                   "stdout",
		"syslog+tls://logs.example.com":            "syslog+tls://logs.example.com:6514",
		"syslog+tls://[2001:db8::1]:7":             "syslog+tls://[2001:db8::1]:7",
		"syslog+tcp://127.0.0.1:601":               "syslog+tcp://127.0.0.1:601",
		"https://siem.example.com/in?index=secret": "https://siem.example.com/in",
		"http://[::1]:80/in":                       "http://[::1]:80/in",
	} {
		if got := parse(t, text); got.String() != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                    "is none of",
		"syslog+udp://127.0.0.1:514":          "is none of",
		"file:///var/log/x":                   "is none of",
		"https://":                            "no host",
		"https://user:secret@example.com":     "password",
		"http://siem.example.com/":            "loopback",
		"syslog+tcp://192.0.2.1:601":          "loopback",
		"syslog+tcp://localhost":              "no port",
		"syslog+tls://a/b":                    "no path",
		"syslog+tls://a?x=secret":             "no options but",
		"syslog+tls://a?bearer-file=x":        "no options but",
		"syslog+tls://a?ca=/nowhere":          "/nowhere",
		"https://a?ca=" + empty:               "no certificate",
		"https://a?cert=x":                    "need each other",
		"http://127.0.0.1?ca=x":               "need TLS",
		"https://a?bearer-file=" + empty:      "a token",
		"https://a?bearer-file=/nowhere/this": "/nowhere/this",
		"https://secret\x7f":                  "not a URL",
	} {
		_, err := delivery.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

var _ delivery.Trail = (*audit.Log)(nil)

// TestDamagedCursor: a cursor that can't be read is told before anything is delivered.
func TestDamagedCursor(t *testing.T) {
	dir := t.TempDir()
	l := openTrail(t, dir, audit.Retention{})
	put(t, l, 0, 1)
	out := &safe{}
	s := deliver(t, l, dir, io.Discard, out, "stdout")
	await(t, "a record", func() bool { return s.Status()[0].Delivered == 1 })
	s.Close()
	cursors, err := filepath.Glob(filepath.Join(dir, delivery.Dir, "*.json"))
	if err != nil || len(cursors) != 1 {
		t.Fatal(cursors, err)
	}
	for _, text := range []string{"", "{", `{"sequence":1,"offset":-1}`} {
		if err := os.WriteFile(cursors[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := delivery.New(l, delivery.Options{Dir: dir, Targets: []*delivery.Target{parse(t, "stdout")}, Stdout: out, Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), cursors[0]) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
