package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"latchkey/internal/store"
)

// What a developer's server can do with its directories: be slow, keep one in a stage, and go back to how it began.

// Delays is how long a directory, or a snapshot, stays on its way to what it is to become.
type Delays struct{ Create, Delete, Restore, Snapshot time.Duration }

// Delay makes the worker slow from now on.
func (w *Worker) Delay(d Delays) { w.delays.Store(&d) }

// early says whether something that began then is to wait, and has it looked at again in time.
func (w *Worker) early(id string, since time.Time, of func(Delays) time.Duration) bool {
	d := w.delays.Load()
	if d == nil {
		return false
	}
	left := of(*d) - w.Now().Sub(since)
	if left <= 0 {
		return false
	}
	time.AfterFunc(left, func() { w.Queue.add(id) })
	return true
}

// Hold keeps a directory in a stage; "" lets one go that is held, which then is Active. Its errors wrap ErrStage, or are those of
// Set.Update.
func (w *Worker) Hold(ctx context.Context, id, stage, reason string) error {
	_, err := w.directories.Update(ctx, id, func(record *store.Directory) error {
		switch {
		case stage == "" && !record.Held:
			return fmt.Errorf("directory %s is held in no stage, %w", id, ErrStage)
		case !record.Held && record.Stage != Active && record.Stage != Impaired && record.Stage != Inoperable:
			return fmt.Errorf("directory %s is %s, %w", id, record.Stage, ErrStage)
		}
		former := record.Stage
		record.Held, record.Stage, record.StageReason, record.StageTime = stage != "", stage, reason, w.moment()
		if !record.Held {
			record.Stage = Active
		}
		w.noteStage(record, former)
		return nil
	})
	return err
}

// ErrNoBaseline says that there is nothing to go back to.
var ErrNoBaseline = errors.New("only embedded directories can be put back")

// baselineType is the type of the snapshots that hold directories as they were at first. They are nobody's, so that nobody sees
// them.
const baselineType = "Baseline"

// baselineSnapshot is the id of a directory's.
func baselineSnapshot(directory string) string { return "s-" + strings.TrimPrefix(directory, "d-") }

// baseline is a directory as it was at first: its record, and its objects.
type baseline struct {
	record []byte
	saved  map[string]string
}

// Baseline remembers all directories as they are, for Reset. It is called once, before there are clients.
func (w *Worker) Baseline(ctx context.Context) error {
	w.baseline = map[string]baseline{}
	for _, record := range w.directories.All("", "", "", maxDirectories) {
		engine, ok := w.Engines[EngineName(record)].(Snapshotter)
		if EngineName(record) != Embedded || !ok {
			w.baseline = nil
			return nil
		}
		domain, err := Domain(record)
		if err != nil {
			return err
		}
		snapshot := store.Snapshot{ID: baselineSnapshot(record.ID), Directory: record.ID, Type: baselineType, Status: SnapshotCompleted, StartTime: w.moment()}
		if err := w.snapshots.Put(ctx, &snapshot); err != nil {
			return err
		}
		if err := engine.Snapshot(ctx, record, domain, snapshot.ID); err != nil {
			return err
		}
		saved, err := w.records.ReadSaved(ctx, record.ID, snapshot.ID)
		if err != nil {
			return err
		}
		text, err := json.Marshal(record)
		if err != nil {
			return err
		}
		w.baseline[record.ID] = baseline{text, saved}
	}
	return nil
}

// Reset puts all directories back to what Baseline has remembered; others are deleted. It returns when all are as they were. Its
// error wraps ErrNoBaseline where that can't be done.
func (w *Worker) Reset(ctx context.Context) error {
	if w.baseline == nil {
		return ErrNoBaseline
	}
	defer w.delays.Store(w.delays.Swap(nil))
	for _, record := range w.directories.All("", "", "", maxDirectories) {
		if _, ok := w.baseline[record.ID]; !ok {
			if EngineName(record) == Samba {
				return ErrNoBaseline
			}
			if err := w.leave(ctx, record.ID); err != nil {
				return err
			}
		}
	}
	for id := range w.baseline {
		if err := w.goBack(ctx, id); err != nil {
			return err
		}
	}
	for id := range w.baseline {
		if err := w.Await(ctx, id); err != nil {
			return err
		}
	}
	// Seeds have no aliases.
	return w.records.Forget(ctx, AliasPrefix)
}

// AliasPrefix is how the claims of aliases are named in the store.
const AliasPrefix = "alias/"

// leave deletes a directory, whatever its stage, and returns when it is gone.
func (w *Worker) leave(ctx context.Context, id string) error {
	_, err := w.directories.Update(ctx, id, func(record *store.Directory) error {
		record.Held, record.EventTopics = false, nil
		record.Stage, record.StageTime = Deleting, w.moment()
		return nil
	})
	for !errors.Is(err, store.ErrNotFound) {
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("directory %s is not gone yet: %w", id, ctx.Err())
		case <-time.After(time.Millisecond):
		}
		_, err = w.directories.Find(id)
	}
	return nil
}

// goBack begins to restore a directory that was there at first, also when it was deleted.
func (w *Worker) goBack(ctx context.Context, id string) error {
	var first store.Directory
	if err := json.Unmarshal(w.baseline[id].record, &first); err != nil {
		return err
	}
	now, err := w.directories.Find(id)
	for err == nil && now.Stage == Deleting {
		if err := w.leave(ctx, id); err != nil {
			return err
		}
		now, err = w.directories.Find(id)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = w.records.WriteSaved(ctx, w.baseline[id].saved)
	} else {
		first.Revision, first.Restore.Number = now.Revision, now.Restore.Number
	}
	if err != nil {
		return err
	}
	if err := errors.Join(w.snapshots.RemoveOf(ctx, id), w.extensions.RemoveOf(ctx, id)); err != nil {
		return err
	}
	first.Restore.Snapshot, first.Restore.Number = baselineSnapshot(id), first.Restore.Number+1
	first.Stage, first.StageTime = Restoring, w.moment()
	return w.directories.Put(ctx, &first)
}
