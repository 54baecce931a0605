// Package event delivers what happens to where an operator wants it: security events of directories as JSON lines to files
// and HTTP endpoints, which stand for CloudWatch log groups, and changes of their stages to webhooks, which stand for SNS
// topics.
package event

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting is how many lines may wait for a sink. More are counted, and lost.
	maxWaiting = 10_000
	maxBatch   = 500
	// timeout is how long an endpoint may take for an answer.
	timeout    = 10 * time.Second
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
	// drain is how long Close waits for what still waits.
	drain = 3 * time.Second
)

// Target is where a log group's lines or a topic's messages go: the absolute path of a file, or an http or https URL.
type Target string

// URL is the target's; nil for a file.
func (t Target) URL() *url.URL {
	u, err := url.Parse(string(t))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil
	}
	return u
}

// String leaves out of a URL what may be secret: user, password and query.
func (t Target) String() string {
	if u := t.URL(); u != nil {
		return u.Scheme + "://" + u.Host + u.Path
	}
	return string(t)
}

// Parse reads NAME=TARGET.
func Parse(text string) (name string, target Target, err error) {
	name, rest, ok := strings.Cut(text, "=")
	target = Target(rest)
	switch {
	case !ok || name == "" || rest == "":
		return "", "", fmt.Errorf("%q is not NAME=TARGET", text)
	case target.URL() == nil && !strings.HasPrefix(rest, "/"):
		return "", "", fmt.Errorf("the target of %s is neither an absolute path nor an http or https URL", name)
	}
	return name, target, nil
}

// Logs is the log groups that there are. It is safe for concurrent use.
type Logs struct {
	groups map[string]*sink
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

// Open begins to deliver to the log groups.
func Open(groups map[string]Target, logger *slog.Logger) *Logs {
	ctx, stop := context.WithCancel(context.Background())
	l := &Logs{groups: map[string]*sink{}, stop: stop}
	for name, target := range groups {
		s := &sink{group: name, target: target, lines: make(chan []byte, maxWaiting), logger: logger.With("logGroup", name, "target", target.String())}
		l.groups[name] = s
		l.ended.Go(func() { s.run(ctx) })
	}
	return l
}

// Has says whether there is such a log group.
func (l *Logs) Has(group string) bool { return l.groups[group] != nil }

// Put adds a line to a log group, as JSON. It never waits: what finds the queue full is counted and lost, which the log says.
func (l *Logs) Put(group string, value any) {
	s := l.groups[group]
	if s == nil {
		return
	}
	line, err := json.Marshal(value)
	if err != nil {
		s.logger.Error("an event can't be written", "err", err)
		return
	}
	select {
	case s.lines <- append(line, '\n'):
	default:
		s.lost.Add(1)
	}
}

// Close delivers what waits, for some seconds at most, and stops.
func (l *Logs) Close() {
	for _, s := range l.groups {
		close(s.lines)
	}
	timer := time.AfterFunc(drain, l.stop)
	l.ended.Wait()
	timer.Stop()
	l.stop()
}

// sink is one log group's queue.
type sink struct {
	group  string
	target Target
	lines  chan []byte
	lost   atomic.Int64
	logger *slog.Logger
}

// run delivers batch after batch, each as often as it takes, so that the order is kept.
func (s *sink) run(ctx context.Context) {
	write := s.append
	if s.target.URL() != nil {
		write = s.post
	}
	for first := range s.lines {
		batch := append([]byte(nil), first...)
		for range min(len(s.lines), maxBatch-1) {
			batch = append(batch, <-s.lines...)
		}
		for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
			err := write(ctx, batch)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				s.logger.Error("events were not delivered before the server stopped", "batches", 1, "err", err)
				return
			}
			s.logger.Warn("events can't be delivered; trying again", "in", wait, "waiting", len(s.lines), "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
		if lost := s.lost.Swap(0); lost > 0 {
			s.logger.Error("events were lost: more came than could be delivered", "lost", lost)
		}
	}
}

// client keeps no cookies and follows no redirects: what is delivered goes where the operator said.
var client = &http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
