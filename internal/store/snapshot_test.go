package store

import (
	"errors"
	"testing"
)

// Records of snapshots are written only while what they were decided upon still holds.
func TestSnapshotRecords(t *testing.T) {
	w := newSaved(t)
	snapshots, directories := w.sets.snapshots, w.sets.directories
	stale := w.directory
	w.begin()
	if err := snapshots.PutFor(t.Context(), stale, &Snapshot{ID: "s-0000000002", Directory: savedDirectory}); !errors.Is(err, ErrConflict) {
		t.Errorf("a snapshot of a directory that has changed: %v", err)
	}
	from := w.snapshot
	w.snapshot.Status = "Completed"
	if err := snapshots.Put(t.Context(), &w.snapshot); err != nil {
		t.Fatal(err)
	}
	record := w.directory
	if err := snapshots.PutRestoring(t.Context(), directories, &record, from); !errors.Is(err, ErrConflict) {
		t.Errorf("a restoration from a snapshot that has changed: %v", err)
	}
	if err := snapshots.PutRestoring(t.Context(), directories, &record, w.snapshot); err != nil {
		t.Error(err)
	}
	other := Snapshot{ID: "s-0000000003", Directory: "d-0000000002"}
	if err := snapshots.Put(t.Context(), &other); err != nil {
		t.Fatal(err)
	}
	if of := snapshots.Of(savedDirectory); len(of) != 1 || of[0].ID != savedSnapshot {
		t.Errorf("the directory's are %+v", of)
	}
	if found, err := snapshots.Find(savedSnapshot); err != nil || found.Status != "Completed" || found.Revision != w.snapshot.Revision {
		t.Errorf("%+v, %v", found, err)
	}
	if err := snapshots.RemoveOf(t.Context(), savedDirectory); err != nil {
		t.Fatal(err)
	}
	if all := snapshots.All("", "", "", 10); len(all) != 1 || all[0].ID != other.ID {
		t.Errorf("left are %+v", all)
	}
	if _, err := snapshots.Find(savedSnapshot); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}
