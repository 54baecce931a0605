package embedded

import (
	"context"
	"errors"
	"sync"
)

// errBusy says that more work is waiting than the gate lets wait.
var errBusy = errors.New("too many logins and password changes are waiting")

// urgency is who goes first when key derivations must wait.
type urgency int

const (
	login urgency = iota // whoever tries to log in
	reset                // whoever sets a password
	urgencies
)

// gate bounds how many key derivations run at once, since each keeps a core busy for about a millisecond. When it is
// full, logins and resets are let in by turns, so that a flood of logins can't starve resets, nor the other way round.
type gate struct {
	mu      sync.Mutex
	slots   int
	free    int
	waiting [urgencies][]chan struct{}
	last    urgency
	limit   int // how many of one urgency may wait
}

func newGate(slots, limit int) *gate { return &gate{slots: slots, free: slots, limit: limit} }

// enter waits for a slot. Its errors are errBusy and the context's.
func (g *gate) enter(ctx context.Context, u urgency) error {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return nil
	}
	if len(g.waiting[u]) >= g.limit {
		g.mu.Unlock()
		return errBusy
	}
	turn := make(chan struct{})
	g.waiting[u] = append(g.waiting[u], turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting[u] {
		if other == turn {
			g.waiting[u] = append(g.waiting[u][:i], g.waiting[u][i+1:]...)
			return ctx.Err()
		}
	}
	// The slot came in the same moment: hand it on.
	g.release()
	return ctx.Err()
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release()
}

func (g *gate) release() {
	next := (g.last + 1) % urgencies
	if len(g.waiting[next]) == 0 {
		next = g.last
	}
	if len(g.waiting[next]) == 0 {
		g.free++
		return
	}
	close(g.waiting[next][0])
	g.waiting[next] = g.waiting[next][1:]
	g.last = next
}
