// Package lifecycle moves directories through AWS's stages in the background: Requested, Creating, Active; Deleting,
// gone. What it does is in the store before it is done, so that another process, or this one after a restart, goes on
// where it stopped.
package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/directory/remote"
	"latchkey/internal/event"
	"latchkey/internal/store"
)

// AWS's stages of a directory (API reference, DirectoryDescription).
const (
	Requested  = "Requested"
	Creating   = "Creating"
	Active     = "Active"
	Impaired   = "Impaired"
	Inoperable = "Inoperable"
	Updating   = "Updating"
	Deleting   = "Deleting"
	Failed     = "Failed"

	Restoring     = "Restoring"
	RestoreFailed = "RestoreFailed"
)

// Sealer keeps an administrator's password secret until the directory holds it.
type Sealer interface {
	Seal(plain []byte, owner string) []byte
	Open(sealed []byte, owner string) ([]byte, error)
}

// Options is what a worker is made of. All fields but Observer are required.
type Options struct {
	Engines Engines
	Sealer  Sealer
	// Queue is where the engines report.
	Queue *Queue
	// Topics is who can be told of stages.
	Topics event.Topics
	// Node is this server's own name in records of what only one server can do.
	Node string
	// Observer is told of what directories are asked by Conn, by the name of their engine. Nil is nobody.
	Observer func(engine string) directory.Observer
	Logger   *slog.Logger
	Now      func() time.Time
}

// Worker moves directories. It is safe for concurrent use.
type Worker struct {
	Options
	records     *store.Store
	directories *store.Directories
	snapshots   *store.Snapshots
	extensions  *store.SchemaExtensions
	delays      atomic.Pointer[Delays]
	baseline    map[string]baseline // by directory
	stop        context.CancelFunc
	stopped     chan struct{}
	placing     sync.Mutex // held while addresses are given to domain controllers
	counting    sync.Mutex // held while snapshots are counted and one is added
}

// Start follows the store's directories, serves those that are there, and goes on with what was interrupted. It returns
// when every directory whose engine is ready at once is served; domain controllers start meanwhile.
func Start(ctx context.Context, records *store.Store, options Options) (*Worker, error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Worker{Options: options, records: records, stop: stop, stopped: make(chan struct{})}
	var err error
	if w.directories, err = records.FollowDirectories(running, w.Queue.add); err != nil {
		stop()
		return nil, err
	}
	if w.snapshots, err = records.FollowSnapshots(running, w.Queue.add); err != nil {
		stop()
		return nil, err
	}
	if w.extensions, err = records.FollowSchemaExtensions(running, w.Queue.add); err != nil {
		stop()
		return nil, err
	}
	for _, record := range w.directories.All("", "", "", maxDirectories) {
		if !served(record) || len(record.Controllers) > 0 {
			continue
		}
		err := w.serve(ctx, record)
		switch {
		case err != nil && EngineName(record) == Embedded:
			stop()
			return nil, err
		case err != nil:
			w.Logger.Error("a directory can't be served", "directory", record.ID, "err", err)
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
	w.snapshots.Wait()
	w.extensions.Wait()
}

// Directories is the set of all directories.
func (w *Worker) Directories() *store.Directories { return w.directories }

// served says whether a directory is to be reachable. One that was Inoperable may work again at any moment.
func served(record store.Directory) bool {
	if record.Share != nil {
		return false
	}
	switch record.Stage {
	case Active, Impaired, Updating:
		return true
	case Inoperable:
		return EngineName(record) != Embedded
	}
	return false
}

// Domain is the record in the directory's own terms.
func Domain(record store.Directory) (directory.Domain, error) {
	sid, err := directory.ParseSID(record.SID)
	return directory.Domain{ID: record.ID, Kind: directory.Kind(record.Type), Name: record.Name, NetBIOS: record.ShortName, SID: sid}, err
}

// Conn is the connection to a directory, whatever its engine. Where it can't be asked the error wraps
// directory.ErrUnavailable.
func (w *Worker) Conn(id string) (directory.Conn, error) {
	record, err := w.directories.Find(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", directory.ErrUnavailable, err)
	}
	engine, err := w.engine(record)
	if err != nil {
		return nil, err
	}
	conn, err := engine.Conn(id)
	if err != nil || w.Observer == nil {
		return conn, err
	}
	return directory.Observe(conn, w.Observer(EngineName(record))), nil
}

func (w *Worker) serve(ctx context.Context, record store.Directory) error {
	engine, err := w.engine(record)
	if err != nil {
		return err
	}
	domain, err := Domain(record)
	if err != nil {
		return err
	}
	if err := engine.Serve(ctx, record, domain); err != nil {
		return err
	}
	if EngineName(record) == Embedded {
		return w.remind(ctx, record)
	}
	return nil
}

// ErrEngine says that the engine can't hold a new directory on this server. The text around it says why.
var ErrEngine = errors.New("the engine can't hold the directory")

// Create records a new directory; the rest happens in the background. An empty record.ID is filled in. Its errors are
// store.ErrConflict when a given ID is taken, store.ErrUnknown, and ErrEngine.
func (w *Worker) Create(ctx context.Context, record store.Directory, password []byte) (store.Directory, error) {
	w.placing.Lock()
	defer w.placing.Unlock()
	if err := w.deploy(&record); err != nil {
		return record, fmt.Errorf("%w: %w", ErrEngine, err)
	}
	record.Stage, record.SID = Requested, newSID()
	return w.add(ctx, record, func(id string) []byte { return w.Sealer.Seal(password, id) })
}

// Attach records a domain that is there already, as Active. An empty record.ID is filled in; one that is taken is
// replaced if record.Revision is its own.
func (w *Worker) Attach(ctx context.Context, record store.Directory) (store.Directory, error) {
	record.Stage, record.StageReason = Active, ""
	return w.add(ctx, record, func(string) []byte { return nil })
}

func (w *Worker) add(ctx context.Context, record store.Directory, password func(id string) []byte) (store.Directory, error) {
	record.StageTime = w.moment()
	if record.Revision == 0 {
		record.LaunchTime = record.StageTime
	}
	chosen := record.ID != ""
	for {
		if !chosen {
			record.ID = newID()
		}
		record.Password = password(record.ID)
		if record.Connect != nil {
			record.Connect.Password = record.Password
		}
		err := w.directories.Put(ctx, &record)
		if errors.Is(err, store.ErrConflict) && !chosen {
			continue
		}
		return record, err
	}
}

func (w *Worker) moment() time.Time { return w.Now().UTC().Truncate(time.Millisecond) }

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
		case record.Stage == Failed, record.Stage == RestoreFailed:
			return fmt.Errorf("directory %s: %s", id, record.StageReason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("directory %s is still %s: %w", id, record.Stage, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func newID() string { return "d-" + random() }

// random is 10 hexadecimal digits.
func random() string {
	var bytes [5]byte
	_, _ = rand.Read(bytes[:]) // never fails
	return hex.EncodeToString(bytes[:])
}

func newSID() string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("S-1-5-21-%d-%d-%d", binary.LittleEndian.Uint32(random[:]), binary.LittleEndian.Uint32(random[4:]), binary.LittleEndian.Uint32(random[8:]))
}

// advance does the next thing that a directory's stage asks for. Every step can be repeated. attempt is how often it has
// failed in a row.
func (w *Worker) advance(ctx context.Context, t task, attempt int) error {
	if isSchemaExtension(t.id) {
		w.noteSchema(t.id)
		return nil
	}
	if isSnapshot(t.id) {
		return w.advanceSnapshot(ctx, t.id, attempt)
	}
	record, err := w.directories.Find(t.id)
	if errors.Is(err, store.ErrNotFound) {
		for _, engine := range w.Engines {
			engine.Drop(t.id)
		}
		w.wakeDependents(t.id)
		return nil
	}
	if record.Share != nil {
		return w.advanceShare(ctx, record)
	}
	// What only another server can do is its business.
	if record.Node != "" && record.Node != w.Node {
		return nil
	}
	if record.Held {
		return nil
	}
	switch record.Stage {
	case Requested:
		return lost(w.enter(ctx, &record, Creating, ""))
	case Creating:
		if w.early(t.id, record.StageTime, func(d Delays) time.Duration { return d.Create }) {
			return nil
		}
		return w.create(ctx, record, attempt)
	case Restoring:
		if w.early(t.id, record.StageTime, func(d Delays) time.Duration { return d.Restore }) {
			return nil
		}
		return w.restore(ctx, record, attempt)
	case RestoreFailed:
		engine, err := w.engine(record)
		if err == nil {
			engine.Drop(t.id)
		}
		return err
	case Deleting:
		if w.early(t.id, record.StageTime, func(d Delays) time.Duration { return d.Delete }) {
			return nil
		}
		engine, err := w.engine(record)
		if err != nil {
			return err
		}
		if err := w.removeSnapshots(ctx, record, engine); err != nil {
			return err
		}
		if err := w.dismantle(ctx, record); err != nil {
			return err
		}
		if err := engine.Remove(ctx, t.id); err != nil {
			return err
		}
		return lost(w.directories.Remove(ctx, record))
	}
	if !served(record) {
		return nil
	}
	err = w.serve(ctx, record)
	w.wakeSnapshots(record)
	if t.health || record.Node != "" {
		err = errors.Join(err, lost(w.reflect(ctx, record, err)))
	}
	return errors.Join(err, w.settle(ctx, t.id))
}

// lost forgives a conflict: whoever won goes on.
func lost(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// maxAttempts is how often the making of a domain is tried before the directory is Failed. The embedded engine fails only
// while the store does, and goes on for as long as it takes.
const maxAttempts = 3

func (w *Worker) create(ctx context.Context, record store.Directory, attempt int) error {
	engine, err := w.engine(record)
	if err != nil {
		return err
	}
	domain, err := Domain(record)
	if err != nil {
		return err
	}
	password, err := w.Sealer.Open(record.Password, record.ID)
	if err != nil {
		return lost(w.enter(ctx, &record, Failed, "The administrator's password can't be read: "+err.Error()))
	}
	defer clear(password)
	err = engine.Create(ctx, record, domain, password)
	hopeless := errors.Is(err, directory.ErrPassword) || errors.Is(err, remote.ErrBind) || EngineName(record) != Embedded && attempt+1 >= maxAttempts && ctx.Err() == nil
	switch {
	case err != nil && hopeless:
		return lost(w.enter(ctx, &record, Failed, shorten(err.Error())))
	case err != nil:
		return err
	}
	if e, ok := engine.(finder); ok {
		record.SID = e.Found(record.ID).String()
	}
	for i := range record.Controllers {
		record.Controllers[i].Stage, record.Controllers[i].StageTime = Active, w.moment()
	}
	return lost(w.enter(ctx, &record, Active, ""))
}

func (w *Worker) enter(ctx context.Context, record *store.Directory, stage, reason string) error {
	former := record.Stage
	record.Stage, record.StageReason = stage, reason
	record.StageTime = w.moment()
	w.noteStage(record, former)
	if stage == Active || stage == Failed {
		record.Password = nil
	}
	if err := w.directories.Put(ctx, record); err != nil {
		return err
	}
	w.Logger.Info("directory", "id", record.ID, "name", record.Name, "stage", stage, "reason", reason)
	return nil
}
