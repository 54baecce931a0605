package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"latchkey/internal/store"
)

// Queue is the directories and snapshots that need a look, each at most once.
type Queue struct {
	mu      sync.Mutex
	pending map[string]bool // whether the directory's health changed
	wake    chan struct{}
}

// NewQueue makes an empty queue: for the engines to report to before there is a worker.
func NewQueue() *Queue { return &Queue{pending: map[string]bool{}, wake: make(chan struct{}, 1)} }

// HealthChanged tells that an engine's Health of the directory has another answer than before. It does not wait.
func (q *Queue) HealthChanged(id string) { q.put(task{id, true}) }

func (q *Queue) add(id string) { q.put(task{id, false}) }

// task is one look at a directory or a snapshot.
type task struct {
	id     string
	health bool
}

func (q *Queue) put(t task) {
	q.mu.Lock()
	q.pending[t.id] = q.pending[t.id] || t.health
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) take() []task {
	q.mu.Lock()
	defer q.mu.Unlock()
	tasks := make([]task, 0, len(q.pending))
	for id, health := range q.pending {
		tasks = append(tasks, task{id, health})
	}
	clear(q.pending)
	return tasks
}

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// run looks at every directory and snapshot that changed, each in a goroutine of its own, one at a time per id.
func (w *Worker) run(ctx context.Context) {
	defer close(w.stopped)
	var group sync.WaitGroup
	defer group.Wait()
	type result struct {
		task
		err error
	}
	busy := map[string]bool{}
	again := map[string]task{} // to be looked at once more when the look that goes on has ended
	failures := map[string]int{}
	finished := make(chan result)
	start := func(t task) {
		busy[t.id] = true
		attempt := failures[t.id]
		group.Go(func() {
			err := w.advance(ctx, t, attempt)
			select {
			case finished <- result{t, err}:
			case <-ctx.Done():
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-finished:
			delete(busy, r.id)
			if t, ok := again[r.id]; ok {
				delete(again, r.id)
				w.Queue.put(t)
			}
			if r.err == nil {
				delete(failures, r.id)
				break
			}
			wait := min(firstRetry<<min(failures[r.id], 10), lastRetry)
			failures[r.id]++
			level := slog.LevelWarn
			if errors.Is(r.err, store.ErrConflict) {
				level = slog.LevelDebug // another server was faster
			}
			w.Logger.Log(ctx, level, "a directory or snapshot can't be moved on; trying again", "id", r.id, "in", wait, "err", r.err)
			time.AfterFunc(wait, func() { w.Queue.put(r.task) })
		case <-w.Queue.wake:
		}
		for _, t := range w.Queue.take() {
			if t.health {
				group.Go(func() { w.tellDown(ctx, t.id) })
			}
			if busy[t.id] {
				// Its goroutine may have read the record before it changed.
				again[t.id] = task{t.id, t.health || again[t.id].health}
				continue
			}
			start(t)
		}
	}
}
