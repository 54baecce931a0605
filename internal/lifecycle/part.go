package lifecycle

import (
	"context"
	"errors"

	"latchkey/internal/store"
)

// settle moves on what a directory has beside its domain. Each part does the next thing that its own state in the record
// asks for, and writes what came of it with Directories.Update; what it does can be repeated. The write brings the directory
// here again.
func (w *Worker) settle(ctx context.Context, id string) error {
	var errs []error
	for _, part := range []func(context.Context, store.Directory) error{
		w.settleSetup, w.settleCertificates, w.settleSettings, w.settleForwarders, w.settleTrusts, w.settleSchema, w.settleTopics, w.settleRadius,
	} {
		record, err := w.directories.Find(id)
		if err != nil {
			return errors.Join(errs...)
		}
		errs = append(errs, lost(part(ctx, record)))
	}
	return errors.Join(errs...)
}

// dismantle ends what a directory that is being deleted has beside its domain.
func (w *Worker) dismantle(ctx context.Context, record store.Directory) error {
	var errs []error
	for _, part := range []func(context.Context, store.Directory) error{
		w.removeTrusts, w.removeSchemaExtensions, w.farewell,
	} {
		errs = append(errs, part(ctx, record))
	}
	return errors.Join(errs...)
}
