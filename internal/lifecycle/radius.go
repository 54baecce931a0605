package lifecycle

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"latchkey/internal/radius"
	"latchkey/internal/store"
)

// radiusLimit is how long the RADIUS servers of a directory may take altogether, whatever its settings allow them.
const radiusLimit = time.Minute

// settleRadius tries the RADIUS servers of a directory whose settings are new: Completed is what one of them has answered.
func (w *Worker) settleRadius(ctx context.Context, record store.Directory) error {
	r := record.Radius
	if r == nil || r.State != "Creating" {
		return nil
	}
	status := store.Status{State: "Completed"}
	switch err := w.tryRadius(ctx, record); {
	case errors.Is(err, context.Canceled):
		return ctx.Err() // nil when the directory changed meanwhile: it is looked at again
	case err != nil:
		status = store.Status{State: "Failed", Reason: err.Error()}
		w.Logger.Warn("no RADIUS server of a directory answers", "directory", record.ID, "err", err)
	}
	_, err := w.directories.Update(ctx, record.ID, func(newest *store.Directory) error {
		// Others may have been set meanwhile.
		if newest.Radius == nil || !newest.Radius.Since.Equal(r.Since) {
			return store.ErrConflict
		}
		status.Since = w.moment()
		newest.Radius.Status = status
		return nil
	})
	return err
}

func (w *Worker) tryRadius(ctx context.Context, record store.Directory) error {
	r := record.Radius
	secret, err := w.Sealer.Open(r.Secret, record.ID)
	if err != nil {
		return err
	}
	defer clear(secret)
	ctx, cancel := context.WithTimeout(ctx, radiusLimit)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	results := make(chan error, len(r.Servers))
	for _, server := range r.Servers {
		group.Go(func() {
			address := net.JoinHostPort(server, strconv.Itoa(int(r.Port)))
			results <- radius.Probe(ctx, address, secret, time.Duration(r.Timeout)*time.Second, int(r.Retries))
		})
	}
	// Whatever else is to be done for the directory does not wait for servers that are silent.
	group.Go(func() { w.awaitChange(ctx, record); cancel() })
	var errs []error
	for range r.Servers {
		err := <-results
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return errors.Join(errs...)
}

const lookEvery = 50 * time.Millisecond

// awaitChange returns when the record is not the newest any more, or ctx ends.
func (w *Worker) awaitChange(ctx context.Context, record store.Directory) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
		if newest, err := w.directories.Find(record.ID); err != nil || newest.Revision != record.Revision {
			return
		}
	}
}
