// Package lifecycle moves directories through AWS's stages in the background: Requested, Creating, Active; Deleting,
// gone. What it does is in the store before it is done, so that another process, or this one after a restart, goes on
// where it stopped.
package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/store"
)

// AWS's stages of a directory (API reference, DirectoryDescription).
const (
	Requested = "Requested"
	Creating  = "Creating"
	Active    = "Active"
	Impaired  = "Impaired"
	Updating  = "Updating"
	Deleting  = "Deleting"
	Failed    = "Failed"
)

// Worker moves directories. It is safe for concurrent use.
type Worker struct {
	directories *store.Directories
	engine      *embedded.Engine
	keyring     *embedded.Keyring
	logger      *slog.Logger
	now         func() time.Time

	stop    context.CancelFunc
	stopped chan struct{}
	queue   *queue
}

// queue is the directories that need a look, each at most once.
type queue struct {
	mu      sync.Mutex
	pending map[string]bool
	wake    chan struct{}
}

func (q *queue) add(id string) {
	q.mu.Lock()
	q.pending[id] = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := make([]string, 0, len(q.pending))
	for id := range q.pending {
		ids = append(ids, id)
	}
	clear(q.pending)
	return ids
}

// Start follows the store's directories, serves those that are there, and goes on with what was interrupted. It returns
// when every directory that can be served is served.
func Start(ctx context.Context, records *store.Store, engine *embedded.Engine, keyring *embedded.Keyring, logger *slog.Logger, now func() time.Time) (*Worker, error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Worker{
		engine: engine, keyring: keyring, logger: logger, now: now, stop: stop, stopped: make(chan struct{}),
		queue: &queue{pending: map[string]bool{}, wake: make(chan struct{}, 1)},
	}
	var err error
	if w.directories, err = records.FollowDirectories(running, w.queue.add); err != nil {
		stop()
		return nil, err
	}
	for _, record := range w.directories.All("", "", "", maxDirectories) {
		if served(record.Stage) {
			if err := w.serve(ctx, record); err != nil {
				stop()
				return nil, err
			}
		}
	}
	go w.run(running)
	return w, nil
}

const maxDirectories = 1 << 20

// Stop interrupts what is being done; the store knows how far it is.
func (w *Worker) Stop() {
	w.stop()
	<-w.stopped
	w.directories.Wait()
}

// Directories is the set of all directories.
func (w *Worker) Directories() *store.Directories { return w.directories }

func served(stage string) bool { return stage == Active || stage == Impaired || stage == Updating }

// Domain is the record in the directory's own terms.
func Domain(record store.Directory) (directory.Domain, error) {
	sid, err := directory.ParseSID(record.SID)
	return directory.Domain{ID: record.ID, Kind: directory.Kind(record.Type), Name: record.Name, NetBIOS: record.ShortName, SID: sid}, err
}

func (w *Worker) serve(ctx context.Context, record store.Directory) error {
	domain, err := Domain(record)
	if err != nil {
		return err
	}
	return w.engine.Serve(ctx, domain)
}

// Create records a new directory; the rest happens in the background. An empty record.ID is filled in. Its errors are
// store.ErrConflict when a given ID is taken, and store.ErrUnknown.
func (w *Worker) Create(ctx context.Context, record store.Directory, password []byte) (store.Directory, error) {
	record.Stage, record.SID = Requested, newSID()
	record.LaunchTime = w.now().UTC().Truncate(time.Millisecond)
	record.StageTime = record.LaunchTime
	chosen := record.ID != ""
	for {
		if !chosen {
			record.ID = newID()
		}
		record.Password = w.keyring.Seal(password, record.ID)
		err := w.directories.Put(ctx, &record)
		if errors.Is(err, store.ErrConflict) && !chosen {
			continue
		}
		return record, err
	}
}

// Delete begins the end of a directory.
func (w *Worker) Delete(ctx context.Context, record store.Directory) error {
	return w.enter(ctx, &record, Deleting, "")
}

// Await returns when the directory is Active, or fails with the reason why it will not be.
func (w *Worker) Await(ctx context.Context, id string) error {
	for {
		record, err := w.directories.Find(id)
		switch {
		case err != nil:
			return err
		case record.Stage == Active:
			return nil
		case record.Stage == Failed:
			return fmt.Errorf("directory %s: %s", id, record.StageReason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("directory %s is still %s: %w", id, record.Stage, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func newID() string {
	var random [5]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("d-%x", random)
}

func newSID() string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("S-1-5-21-%d-%d-%d", binary.LittleEndian.Uint32(random[:]), binary.LittleEndian.Uint32(random[4:]), binary.LittleEndian.Uint32(random[8:]))
}

const retryAfter = time.Second

// run looks at every directory that changed, each in a goroutine of its own, one at a time per directory.
func (w *Worker) run(ctx context.Context) {
	defer close(w.stopped)
	var group sync.WaitGroup
	defer group.Wait()
	busy := map[string]bool{}
	finished := make(chan string)
	start := func(id string) {
		busy[id] = true
		group.Go(func() {
			err := w.advance(ctx, id)
			if err != nil && ctx.Err() == nil {
				w.logger.Warn("a directory can't be moved on; trying again", "directory", id, "err", err)
				time.AfterFunc(retryAfter, func() { w.queue.add(id) })
			}
			select {
			case finished <- id:
			case <-ctx.Done():
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-finished:
			delete(busy, id)
		case <-w.queue.wake:
		}
		for _, id := range w.queue.take() {
			if busy[id] {
				// Its goroutine may have read the record before it changed: look again when it is done.
				time.AfterFunc(time.Millisecond, func() { w.queue.add(id) })
				continue
			}
			start(id)
		}
	}
}

// advance does the next thing that a directory's stage asks for. Every step can be repeated.
func (w *Worker) advance(ctx context.Context, id string) error {
	record, err := w.directories.Find(id)
	if errors.Is(err, store.ErrNotFound) {
		w.engine.Drop(id)
		return nil
	}
	switch record.Stage {
	case Requested:
		return lost(w.enter(ctx, &record, Creating, ""))
	case Creating:
		return w.create(ctx, record)
	case Deleting:
		if err := w.engine.Remove(ctx, id); err != nil {
			return err
		}
		return lost(w.directories.Remove(ctx, record))
	}
	if served(record.Stage) {
		return w.serve(ctx, record)
	}
	return nil
}

// lost forgives a conflict: whoever won goes on.
func lost(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

func (w *Worker) create(ctx context.Context, record store.Directory) error {
	domain, err := Domain(record)
	if err != nil {
		return err
	}
	password, err := w.keyring.Open(record.Password, record.ID)
	if err != nil {
		return lost(w.enter(ctx, &record, Failed, "The administrator's password can't be read: "+err.Error()))
	}
	defer clear(password)
	if err := w.engine.Serve(ctx, domain); err != nil {
		return err
	}
	if err := w.engine.Provision(ctx, domain); err != nil {
		return err
	}
	conn, err := w.engine.Conn(record.ID)
	if err != nil {
		return err
	}
	err = directory.LayOut(ctx, conn, domain, password)
	if errors.Is(err, directory.ErrPassword) {
		return lost(w.enter(ctx, &record, Failed, err.Error()))
	}
	if err != nil {
		return err
	}
	return lost(w.enter(ctx, &record, Active, ""))
}

func (w *Worker) enter(ctx context.Context, record *store.Directory, stage, reason string) error {
	record.Stage, record.StageReason = stage, reason
	record.StageTime = w.now().UTC().Truncate(time.Millisecond)
	if stage == Active || stage == Failed {
		record.Password = nil
	}
	if err := w.directories.Put(ctx, record); err != nil {
		return err
	}
	w.logger.Info("directory", "id", record.ID, "name", record.Name, "stage", stage, "reason", reason)
	return nil
}
