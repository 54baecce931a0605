package client

import (
	"context"
	"errors"
	"sync"
)

// errBusy says that more calls are waiting than may wait.
var errBusy = errors.New("too many requests are waiting for the directory")

// turns lets so many calls in at once, and the others in the order of their coming.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting []chan struct{}
	limit   int // how many may wait
}

// enter waits for a turn, which leave ends. Its errors are errBusy and the context's.
func (t *turns) enter(ctx context.Context) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	if len(t.waiting) >= t.limit {
		t.mu.Unlock()
		return errBusy
	}
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range t.waiting {
		if other == turn {
			t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	// The turn came in the same moment: hand it on.
	t.next()
	return ctx.Err()
}

func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next()
}

func (t *turns) next() {
	if len(t.waiting) == 0 {
		t.free++
		return
	}
	close(t.waiting[0])
	t.waiting = t.waiting[1:]
}
