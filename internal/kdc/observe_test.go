package kdc_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/kdc"
)

type told struct {
	mu  sync.Mutex
	all []string
}

func (o *told) add(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, what)
}

func (o *told) Answered(message string, code int32, took time.Duration) {
	o.add(fmt.Sprint(message, " ", code, " ", took > 0))
}
func (o *told) Refused(limit string) { o.add(limit) }

// want says that it was told of this, and of nothing else.
func (o *told) want(t *testing.T, want ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.all, want) {
		t.Errorf("it was told of %q, want %q", o.all, want)
	}
}

// TestObserver: it is told of every answer, and of who is turned away.
func TestObserver(t *testing.T) {
	engine := newEngine(t, time.Now)
	newDomain(t, engine, "d-1234567890", directory.SimpleAD)
	o := &told{}
	s, address, _ := serve(t, kdc.Options{Engine: engine, Observer: o, Limits: kdc.Limits{Connections: 1}})
	first, message := dial(t, "tcp", address), asRequest(t, "nobody")
	_, _ = first.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
	if _, err := io.ReadFull(first, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	if open, most := s.Connections(); open != 1 || most != 1 {
		t.Errorf("%d of %d connections", open, most)
	}
	// It is closed once that is told.
	if reply, err := io.ReadAll(dial(t, "tcp", address)); len(reply) > 0 || err != nil {
		t.Errorf("%x, %v", reply, err)
	}
	if used, most := s.InFlight(); used != 0 || most != 256 {
		t.Errorf("%d of %d requests", used, most)
	}
	o.want(t, "AS 6 true", kdc.LimitConnections)
}
