package lifecycle

import (
	"context"
	"slices"
	"time"

	"latchkey/internal/store"
)

// settleSetup ends what changes of a directory's Regions, IP routes, data access and setup go on.
func (w *Worker) settleSetup(ctx context.Context, record store.Directory) error {
	waiting := func(u store.Update) bool { return u.State == updating && w.saving(u.Snapshot) }
	if !slices.ContainsFunc(record.Regions, func(r store.Region) bool { return r.State != Active }) &&
		!slices.ContainsFunc(record.IPRoutes, func(r store.IPRoute) bool { return r.State != added }) &&
		!slices.ContainsFunc(record.Updates, func(u store.Update) bool { return u.State == updating && !waiting(u) }) &&
		dataAccessEnds[record.DataAccess.State] == "" {
		if slices.ContainsFunc(record.Updates, waiting) {
			time.AfterFunc(lookAgain, func() { w.Queue.add(record.ID) })
		}
		return nil
	}
	_, err := w.directories.Update(ctx, record.ID, func(record *store.Directory) error {
		record.Regions = slices.DeleteFunc(record.Regions, func(r store.Region) bool { return r.State == Deleting })
		for i := range record.Regions {
			w.turn(&record.Regions[i].Status, Active)
		}
		record.IPRoutes = slices.DeleteFunc(record.IPRoutes, func(r store.IPRoute) bool { return r.State == removing })
		for i := range record.IPRoutes {
			w.turn(&record.IPRoutes[i].Status, added)
		}
		if end := dataAccessEnds[record.DataAccess.State]; end != "" {
			w.turn(&record.DataAccess, end)
		}
		for i, update := range record.Updates {
			if update.State != updating || waiting(update) {
				continue
			}
			switch update.Type {
			case "SIZE":
				record.Size = update.New
			case "NETWORK":
				record.Network = update.New
			}
			w.turn(&record.Updates[i].Status, "Updated")
		}
		return nil
	})
	return err
}

// AWS's states of what a directory's setup is made of.
const (
	added    = "Added"
	removing = "Removing"
	updating = "Updating"
)

var dataAccessEnds = map[string]string{"Enabling": "Enabled", "Disabling": "Disabled"}

// lookAgain is how soon the worker looks whether something that it waits for has come.
const lookAgain = 100 * time.Millisecond

// turn gives something another state, without a reason.
func (w *Worker) turn(status *store.Status, state string) {
	if status.State != state {
		*status = store.Status{State: state, Since: w.moment()}
	}
}

// saving tells whether a snapshot is still being made.
func (w *Worker) saving(id string) bool {
	snapshot, err := w.snapshots.Find(id)
	return err == nil && snapshot.Status == SnapshotCreating
}
