package embedded

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// Snapshot saves the directory's tree as it is at one moment, with its keys as they are sealed. It can be repeated.
func (e *Engine) Snapshot(ctx context.Context, record store.Directory, _ directory.Domain, id string) error {
	return e.store.SaveTree(ctx, record, id)
}

// Restore makes the directory's tree what the snapshot has saved, and stops serving it: what is in memory, and whoever is
// logged in, is of the former one. Relative identifiers that were given since are not given again. It can be repeated.
func (e *Engine) Restore(ctx context.Context, record *store.Directory, _ directory.Domain, id string) error {
	e.Drop(record.ID)
	return e.store.RestoreTree(ctx, *record, id)
}

// DeleteSnapshot deletes what Snapshot has saved, if there is anything.
func (e *Engine) DeleteSnapshot(ctx context.Context, record store.Directory, id string) error {
	return e.store.DropSaved(ctx, record.ID, id)
}
