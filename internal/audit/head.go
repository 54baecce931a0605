package audit

import (
	"context"
	"log/slog"
	"time"
)

// Head is kept apart from the files: how many records the trail had when a digest was last signed. Files that were put back
// together with their older digest are behind it.
type Head interface {
	Load(ctx context.Context) (records uint64, err error)
	Save(ctx context.Context, records uint64) error
}

// saveTimeout is how long the head may take to be saved.
const saveTimeout = 5 * time.Second

// keeper saves the newest head that it is told of. Nobody waits for it: where heads are kept may be slow or away.
type keeper struct {
	head   Head
	logger *slog.Logger
	next   chan uint64 // the newest one that is not being saved
	done   chan struct{}
}

// keep starts a keeper; with a nil Head it does nothing.
func keep(head Head, logger *slog.Logger) *keeper {
	k := &keeper{head: head, logger: logger, next: make(chan uint64, 1), done: make(chan struct{})}
	go k.run()
	return k
}

// tell may be called by one goroutine, and not after close.
func (k *keeper) tell(records uint64) {
	select {
	case <-k.next: // an older one that nobody needs any more
	default:
	}
	k.next <- records
}

func (k *keeper) run() {
	defer close(k.done)
	trouble := false
	for records := range k.next {
		if k.head == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		err := k.head.Save(ctx, records)
		cancel()
		switch {
		case err != nil && !trouble:
			k.logger.Warn("how far the audit log goes can't be kept in the store", "err", err)
		case err == nil && trouble:
			k.logger.Info("how far the audit log goes is kept in the store again")
		}
		trouble = err != nil
	}
}

// close saves the last one.
func (k *keeper) close() {
	close(k.next)
	<-k.done
}
