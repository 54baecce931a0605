package lifecycle_test

import (
	"errors"
	"testing"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

const ownerID, shareID = "d-00000000e1", "d-00000000e2"

func shareRecord(w world, id, state string) store.Directory {
	share := record(w, id, lifecycle.Active, lifecycle.SharedMicrosoftAD)
	share.Account, share.Password = "111122223333", nil
	share.Share = &store.Share{OwnerAccount: "123456789012", OwnerDirectory: ownerID, Method: "HANDSHAKE", Status: store.Status{State: state}}
	return share
}

func gone(t *testing.T, worker *lifecycle.Worker, id string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		_, err := worker.Directories().Find(id)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is there: %v", id, err)
		}
	}
}

// What a process has left in the middle of an answer to an offer, the next one finishes. An offer without an answer stays.
func TestShareGoesOn(t *testing.T) {
	for state, want := range map[string]string{"Sharing": "Shared", "Rejecting": "Rejected", "PendingAcceptance": "PendingAcceptance"} {
		w := newWorld(t)
		w.run(t, func(records *store.Store) {
			put(t, records, record(w, ownerID, lifecycle.Creating, directory.MicrosoftAD))
			put(t, records, shareRecord(w, shareID, state))
		}, func(worker *lifecycle.Worker, _ *embedded.Engine) {
			if err := worker.Await(t.Context(), ownerID); err != nil {
				t.Fatal(err)
			}
			share := eventually(t, worker, shareID, func(d store.Directory) bool { return d.Share.State == want })
			if owner, err := worker.Owner(share); err != nil || owner.ID != ownerID {
				t.Errorf("%s: %v %v", state, owner.ID, err)
			}
			// The owner's end is the share's.
			owner, err := worker.Directories().Find(ownerID)
			if err == nil {
				err = worker.Delete(t.Context(), owner)
			}
			if err != nil {
				t.Fatal(err)
			}
			gone(t, worker, ownerID)
			gone(t, worker, shareID)
		})
	}
}

// An account is offered a directory once, unless it has turned it down, and not more accounts than the limit have it.
func TestShareLimit(t *testing.T) {
	w := newWorld(t)
	w.run(t, func(records *store.Store) {
		put(t, records, record(w, ownerID, lifecycle.Creating, directory.MicrosoftAD))
		put(t, records, shareRecord(w, shareID, "Rejected"))
	}, func(worker *lifecycle.Worker, _ *embedded.Engine) {
		if err := worker.Await(t.Context(), ownerID); err != nil {
			t.Fatal(err)
		}
		owner, err := worker.Directories().Find(ownerID)
		if err != nil {
			t.Fatal(err)
		}
		for _, offer := range []struct {
			account string
			want    error
		}{
			{"444455556666", lifecycle.ErrShareLimit}, {"111122223333", nil}, {"111122223333", lifecycle.ErrShared}, {"444455556666", lifecycle.ErrShareLimit},
		} {
			if _, err := worker.Share(t.Context(), owner, offer.account, store.Share{Method: "HANDSHAKE"}, 1); !errors.Is(err, offer.want) {
				t.Errorf("%s: %v, not %v", offer.account, err, offer.want)
			}
		}
		gone(t, worker, shareID)
	})
}
