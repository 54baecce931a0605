package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// AWS's states of a schema extension (API reference, SchemaExtensionInfo).
const (
	SchemaInitializing     = "Initializing"
	SchemaCreatingSnapshot = "CreatingSnapshot"
	SchemaUpdating         = "UpdatingSchema"
	SchemaReplicating      = "Replicating"
	SchemaCancelling       = "CancelInProgress"
	SchemaCancelled        = "Cancelled"
	SchemaFailed           = "Failed"
	SchemaCompleted        = "Completed"
)

// extender is an engine whose directories' schema can be extended. What it does can be repeated; errors that wrap
// directory.ErrSchema are final.
type extender interface {
	ExtendSchema(ctx context.Context, domain directory.Domain, definitions []directory.SchemaDefinition) error
}

// ExtendsSchema says whether the schema of a directory can be extended.
func (w *Worker) ExtendsSchema(record store.Directory) bool {
	_, ok := w.Engines[EngineName(record)].(extender)
	return ok
}

// SchemaExtensions is the set of all schema extensions.
func (w *Worker) SchemaExtensions() *store.SchemaExtensions { return w.extensions }

// ExtendSchema records a schema extension; the rest happens in the background.
func (w *Worker) ExtendSchema(ctx context.Context, record store.Directory, extension store.SchemaExtension) (store.SchemaExtension, error) {
	extension.ID, extension.Directory, extension.Account, extension.Region = "e-"+random(), record.ID, record.Account, record.Region
	extension.Start = w.moment()
	extension.Status = store.Status{State: SchemaInitializing, Since: extension.Start}
	err := w.extensions.Put(ctx, &extension)
	return extension, err
}

func isSchemaExtension(id string) bool { return strings.HasPrefix(id, "e-") }

// noteSchema has a directory looked at, one of whose schema extensions has changed.
func (w *Worker) noteSchema(id string) {
	if extension, err := w.extensions.Find(id); err == nil && !schemaEnded(extension) {
		w.Queue.add(extension.Directory)
	}
}

func schemaEnded(x store.SchemaExtension) bool {
	return x.State == SchemaCompleted || x.State == SchemaFailed || x.State == SchemaCancelled
}

// settleSchema moves the oldest schema extension on that has not ended: one follows the other.
func (w *Worker) settleSchema(ctx context.Context, record store.Directory) error {
	all := slices.DeleteFunc(w.extensions.Of(record.ID), schemaEnded)
	if len(all) == 0 {
		return nil
	}
	x := slices.MinFunc(all, func(a, b store.SchemaExtension) int { return a.Start.Compare(b.Start) })
	switch x.State {
	case SchemaInitializing:
		if x.Snapshot != "" {
			return w.enterSchema(ctx, x, SchemaCreatingSnapshot, "")
		}
		return w.enterSchema(ctx, x, SchemaUpdating, "")
	case SchemaCreatingSnapshot:
		snapshot, err := w.snapshots.Find(x.Snapshot)
		switch {
		case err != nil, snapshot.Status == SnapshotFailed:
			return w.enterSchema(ctx, x, SchemaFailed, "The snapshot before it could not be made. "+snapshot.Reason)
		case snapshot.Status == SnapshotCreating:
			time.AfterFunc(lookAgain, func() { w.Queue.add(record.ID) })
			return nil
		}
		return w.enterSchema(ctx, x, SchemaUpdating, "")
	case SchemaUpdating, SchemaReplicating:
		return w.applySchema(ctx, record, x)
	case SchemaCancelling:
		return w.enterSchema(ctx, x, SchemaCancelled, "")
	}
	return nil
}

func (w *Worker) applySchema(ctx context.Context, record store.Directory, x store.SchemaExtension) error {
	err := w.giveSchema(ctx, record, x)
	switch {
	case errors.Is(err, directory.ErrSchema):
		return w.enterSchema(ctx, x, SchemaFailed, err.Error())
	case err != nil:
		return err
	case x.State == SchemaUpdating:
		return w.enterSchema(ctx, x, SchemaReplicating, "")
	}
	return w.enterSchema(ctx, x, SchemaCompleted, "")
}

func (w *Worker) giveSchema(ctx context.Context, record store.Directory, x store.SchemaExtension) error {
	domain, err := Domain(record)
	if err != nil {
		return err
	}
	definitions, err := directory.ReadSchema(domain, x.LDIF)
	if err != nil {
		return err
	}
	engine, err := w.engine(record)
	if err != nil {
		return err
	}
	return engine.(extender).ExtendSchema(ctx, domain, definitions)
}

// remind gives a directory the extensions of its schema that its engine does not keep itself.
func (w *Worker) remind(ctx context.Context, record store.Directory) error {
	all := w.extensions.Of(record.ID)
	slices.SortFunc(all, func(a, b store.SchemaExtension) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) })
	for _, x := range all {
		if x.State != SchemaCompleted {
			continue
		}
		if err := w.giveSchema(ctx, record, x); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) enterSchema(ctx context.Context, x store.SchemaExtension, state, reason string) error {
	x.Status = store.Status{State: state, Reason: reason, Since: w.moment()}
	if schemaEnded(x) {
		x.End = x.Since
	}
	if err := w.extensions.Put(ctx, &x); err != nil {
		return lost(err)
	}
	w.Logger.Info("schema extension", "id", x.ID, "directory", x.Directory, "state", state, "reason", reason)
	return nil
}

// removeSchemaExtensions forgets the schema extensions of a directory.
func (w *Worker) removeSchemaExtensions(ctx context.Context, record store.Directory) error {
	return w.extensions.RemoveOf(ctx, record.ID)
}
