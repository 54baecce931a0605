package lifecycle

import (
	"context"
	"errors"

	"latchkey/internal/store"
)

// SharedMicrosoftAD is the type of a directory that another account owns.
const SharedMicrosoftAD = "SharedMicrosoftAD"

// AWS's states of a share (API reference, SharedDirectory).
const (
	pendingAcceptance = "PendingAcceptance"
	sharing           = "Sharing"
	shared            = "Shared"
	rejecting         = "Rejecting"
	rejected          = "Rejected"
)

var (
	// ErrShared says that the account has the directory, or was offered it, already.
	ErrShared = errors.New("the directory is shared with the account already")
	// ErrShareLimit says that no further account can have the directory.
	ErrShareLimit = errors.New("the directory is shared with as many accounts as can be")
)

// Share offers a directory to an account, if fewer than limit have it: it gets a record of its own, under an id of its own. An
// offer that was turned down is replaced. Its errors wrap ErrShared, ErrShareLimit or store.ErrUnknown.
func (w *Worker) Share(ctx context.Context, owner store.Directory, account string, share store.Share, limit int) (store.Directory, error) {
	w.counting.Lock()
	defer w.counting.Unlock()
	others := w.Shares(owner.ID)
	for _, other := range others {
		if other.Account != account {
			continue
		}
		if other.Share.State != rejected {
			return other, ErrShared
		}
		if err := w.directories.Remove(ctx, other); err != nil {
			return other, err
		}
		limit++
	}
	if len(others) >= limit {
		return store.Directory{}, ErrShareLimit
	}
	share.OwnerAccount, share.OwnerDirectory = owner.Account, owner.ID
	share.Created = w.moment()
	share.Status = store.Status{State: pendingAcceptance, Since: share.Created}
	return w.add(ctx, store.Directory{
		Account: account, Region: owner.Region, Type: SharedMicrosoftAD, Name: owner.Name, ShortName: owner.ShortName, Edition: owner.Edition,
		Description: owner.Description, SID: owner.SID, Stage: Active, Share: &share,
	}, func(string) []byte { return nil })
}

// Shares is a directory as the accounts that it was offered to have it.
func (w *Worker) Shares(owner string) []store.Directory {
	return w.directories.Where(func(record store.Directory) bool { return record.Share != nil && record.Share.OwnerDirectory == owner }, "", maxDirectories)
}

// wakeDependents has those looked at that are about a directory which is gone: its shares, and the connectors to it.
func (w *Worker) wakeDependents(id string) {
	for _, record := range w.directories.Where(func(record store.Directory) bool {
		return record.Share != nil && record.Share.OwnerDirectory == id || record.Connect != nil && record.Connect.Local == id
	}, "", maxDirectories) {
		w.Queue.HealthChanged(record.ID)
	}
}

// advanceShare does what a share's state asks for. A share is gone when the directory is.
func (w *Worker) advanceShare(ctx context.Context, record store.Directory) error {
	if _, err := w.directories.Find(record.Share.OwnerDirectory); err != nil || record.Stage == Deleting {
		return lost(w.directories.Remove(ctx, record))
	}
	next, ok := map[string]string{sharing: shared, rejecting: rejected}[record.Share.State]
	if !ok {
		return nil
	}
	_, err := w.directories.Update(ctx, record.ID, func(record *store.Directory) error {
		w.turn(&record.Share.Status, next)
		return nil
	})
	return err
}

// Owner is the record that holds the directory's domain: its own, or that of the account that shares it.
func (w *Worker) Owner(record store.Directory) (store.Directory, error) {
	if record.Share == nil {
		return record, nil
	}
	return w.directories.Find(record.Share.OwnerDirectory)
}
