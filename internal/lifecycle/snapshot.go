package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// AWS's statuses of a snapshot (API reference, Snapshot). One that is Deleting is not shown to anybody.
const (
	SnapshotCreating  = "Creating"
	SnapshotCompleted = "Completed"
	SnapshotFailed    = "Failed"
	snapshotDeleting  = "Deleting"
)

// AWS's types of a snapshot, and how many of those that somebody asked for a directory may have.
const (
	Auto          = "Auto"
	Manual        = "Manual"
	SnapshotLimit = 5
)

// Snapshotter is an engine whose directories can be saved and put back. What its methods do can be repeated.
type Snapshotter interface {
	// Snapshot saves the directory under that id.
	Snapshot(ctx context.Context, record store.Directory, domain directory.Domain, id string) error
	// Restore puts the directory back to what was saved. It may change record.Controllers.
	Restore(ctx context.Context, record *store.Directory, domain directory.Domain, id string) error
	// DeleteSnapshot deletes what Snapshot has saved, if it is there.
	DeleteSnapshot(ctx context.Context, record store.Directory, id string) error
}

var (
	// ErrNoSnapshots says that the directory's engine can't save and restore it.
	ErrNoSnapshots = errors.New("the directory's engine makes no snapshots")
	// ErrStage says that the stage of a directory, or the status of a snapshot, does not allow what is asked for.
	ErrStage = errors.New("which does not allow it")
	// ErrSnapshotLimit says that the directory has as many snapshots as it may have.
	ErrSnapshotLimit = fmt.Errorf("a directory has at most %d manual snapshots", SnapshotLimit)
)

// MakesSnapshots says whether the directory's engine can save and restore it.
func (w *Worker) MakesSnapshots(record store.Directory) bool {
	_, ok := w.Engines[EngineName(record)].(Snapshotter)
	return ok
}

// Snapshot is the snapshot of that id; store.ErrNotFound if there is none.
func (w *Worker) Snapshot(id string) (store.Snapshot, error) {
	snapshot, err := w.snapshots.Find(id)
	if err == nil && snapshot.Status == snapshotDeleting {
		return store.Snapshot{}, fmt.Errorf("snapshot %s: %w", id, store.ErrNotFound)
	}
	return snapshot, err
}

// Snapshots is the snapshots that match whose id is greater than after, in the order of their ids, at most limit of them.
func (w *Worker) Snapshots(match func(store.Snapshot) bool, after string, limit int) []store.Snapshot {
	return w.snapshots.Where(func(s store.Snapshot) bool { return s.Status != snapshotDeleting && match(s) }, after, limit)
}

// ManualSnapshots is how many snapshots the directory has that count towards SnapshotLimit.
func (w *Worker) ManualSnapshots(directory string) int {
	count := 0
	for _, snapshot := range w.snapshots.Of(directory) {
		if snapshot.Type == Manual && snapshot.Status != snapshotDeleting {
			count++
		}
	}
	return count
}

// CreateSnapshot records a new manual snapshot of an Active directory; the rest happens in the background. Its errors wrap
// ErrNoSnapshots, ErrStage, ErrSnapshotLimit, store.ErrConflict or store.ErrUnknown.
func (w *Worker) CreateSnapshot(ctx context.Context, record store.Directory, name string) (store.Snapshot, error) {
	switch {
	case !w.MakesSnapshots(record):
		return store.Snapshot{}, ErrNoSnapshots
	case record.Stage != Active:
		return store.Snapshot{}, fmt.Errorf("directory %s is %s, %w", record.ID, record.Stage, ErrStage)
	}
	w.counting.Lock()
	defer w.counting.Unlock()
	if w.ManualSnapshots(record.ID) >= SnapshotLimit {
		return store.Snapshot{}, ErrSnapshotLimit
	}
	snapshot := store.Snapshot{
		ID: "s-" + random(), Directory: record.ID, Account: record.Account, Region: record.Region,
		Name: name, Type: Manual, Status: SnapshotCreating, StartTime: w.moment(),
	}
	err := w.snapshots.PutFor(ctx, record, &snapshot)
	return snapshot, err
}

// DeleteSnapshot begins the end of a snapshot that its directory is not being restored from. Its errors wrap ErrStage,
// store.ErrConflict or store.ErrUnknown.
func (w *Worker) DeleteSnapshot(ctx context.Context, record store.Directory, snapshot store.Snapshot) error {
	if record.Stage == Restoring && record.Restore.Snapshot == snapshot.ID {
		return fmt.Errorf("directory %s is being restored from snapshot %s, %w", record.ID, snapshot.ID, ErrStage)
	}
	snapshot.Status = snapshotDeleting
	return w.snapshots.PutFor(ctx, record, &snapshot)
}

// Restore begins to put a directory back to what one of its snapshots has saved. The directory must be Active, or in a
// stage that a restoration can end; no other snapshot of it may be in the making. Its errors wrap ErrNoSnapshots, ErrStage,
// store.ErrConflict or store.ErrUnknown.
func (w *Worker) Restore(ctx context.Context, record store.Directory, from store.Snapshot) error {
	switch {
	case !w.MakesSnapshots(record):
		return ErrNoSnapshots
	case record.Stage != Active && record.Stage != RestoreFailed && record.Stage != Inoperable:
		return fmt.Errorf("directory %s is %s, %w", record.ID, record.Stage, ErrStage)
	case from.Status != SnapshotCompleted:
		return fmt.Errorf("snapshot %s is %s, %w", from.ID, from.Status, ErrStage)
	}
	for _, other := range w.snapshots.Of(record.ID) {
		if other.Status == SnapshotCreating {
			return fmt.Errorf("snapshot %s of the directory is %s, %w", other.ID, other.Status, ErrStage)
		}
	}
	record.Restore = store.Restore{Snapshot: from.ID, Number: record.Restore.Number + 1}
	former := record.Stage
	record.Stage, record.StageReason, record.StageTime = Restoring, "", w.moment()
	w.noteStage(&record, former)
	if err := w.snapshots.PutRestoring(ctx, w.directories, &record, from); err != nil {
		return err
	}
	w.Logger.Info("directory", "id", record.ID, "name", record.Name, "stage", record.Stage, "snapshot", from.ID)
	return nil
}

func isSnapshot(id string) bool { return strings.HasPrefix(id, "s-") }

// advanceSnapshot does the next thing that a snapshot's status asks for, as advance does for directories.
func (w *Worker) advanceSnapshot(ctx context.Context, id string, attempt int) error {
	snapshot, err := w.snapshots.Find(id)
	if err != nil || snapshot.Status != SnapshotCreating && snapshot.Status != snapshotDeleting {
		return nil
	}
	// Without its directory it is about to go, or the directory is about to be heard of.
	record, err := w.directories.Find(snapshot.Directory)
	if err != nil || record.Node != "" && record.Node != w.Node {
		return nil
	}
	engine, ok := w.Engines[EngineName(record)].(Snapshotter)
	if !ok {
		return nil
	}
	if snapshot.Status == snapshotDeleting {
		if err := engine.DeleteSnapshot(ctx, record, id); err != nil {
			return err
		}
		return lost(w.snapshots.Remove(ctx, snapshot))
	}
	if !served(record) || w.early(id, snapshot.StartTime, func(d Delays) time.Duration { return d.Snapshot }) {
		return nil // until it is
	}
	domain, err := Domain(record)
	if err != nil {
		return err
	}
	err = engine.Snapshot(ctx, record, domain, id)
	switch {
	case err == nil:
		snapshot.Status = SnapshotCompleted
	case w.hopeless(ctx, err, attempt):
		snapshot.Status, snapshot.Reason = SnapshotFailed, err.Error()
		// A part of a snapshot is of no use. What can't be deleted now goes with the snapshot.
		if err := engine.DeleteSnapshot(ctx, record, id); err != nil {
			w.Logger.Warn("what a failed snapshot has saved can't be deleted", "snapshot", id, "err", err)
		}
	default:
		return err
	}
	if err := w.snapshots.Put(ctx, &snapshot); err != nil {
		return lost(err)
	}
	w.Logger.Info("snapshot", "id", id, "directory", record.ID, "status", snapshot.Status, "reason", snapshot.Reason)
	return nil
}

// hopeless says whether there is no use in trying again what failed for the attempt-th time. While the store does not answer
// nothing can be said.
func (w *Worker) hopeless(ctx context.Context, err error, attempt int) bool {
	switch {
	case ctx.Err() != nil, errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrUnknown):
		return false
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrDamaged):
		return true
	}
	return attempt+1 >= maxAttempts
}

func (w *Worker) restore(ctx context.Context, record store.Directory, attempt int) error {
	if record.Restore.Snapshot == "" {
		return nil // no restoration of ours
	}
	engine, ok := w.Engines[EngineName(record)].(Snapshotter)
	if !ok {
		return lost(w.enter(ctx, &record, RestoreFailed, ErrNoSnapshots.Error()))
	}
	domain, err := Domain(record)
	if err != nil {
		return err
	}
	record.Controllers = slices.Clone(record.Controllers)
	err = engine.Restore(ctx, &record, domain, record.Restore.Snapshot)
	if err != nil {
		if w.hopeless(ctx, err, attempt) {
			return lost(w.enter(ctx, &record, RestoreFailed, err.Error()))
		}
		return err
	}
	// Its users find it at the moment that it is Active.
	if err := w.serve(ctx, record); err != nil {
		return err
	}
	return lost(w.enter(ctx, &record, Active, ""))
}

// wakeSnapshots looks again at the snapshots that waited for the directory.
func (w *Worker) wakeSnapshots(record store.Directory) {
	for _, snapshot := range w.snapshots.Of(record.ID) {
		if snapshot.Status == SnapshotCreating {
			w.Queue.add(snapshot.ID)
		}
	}
}

// removeSnapshots deletes the snapshots of a directory that goes.
func (w *Worker) removeSnapshots(ctx context.Context, record store.Directory, engine Engine) error {
	if s, ok := engine.(Snapshotter); ok {
		for _, snapshot := range w.snapshots.Of(record.ID) {
			if err := s.DeleteSnapshot(ctx, record, snapshot.ID); err != nil {
				return err
			}
		}
	}
	return w.snapshots.RemoveOf(ctx, record.ID)
}
