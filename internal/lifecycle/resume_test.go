package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

const bossPassword = "Harbour-Light-11"

// world is a store that outlives the workers on it.
type world struct {
	dir     string
	keyring *embedded.Keyring
}

func newWorld(t *testing.T) world {
	t.Helper()
	keyring, err := embedded.NewKeyring(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return world{t.TempDir(), keyring}
}

// run opens the store, lets a worker run for as long as use does, and closes everything.
func (w world) run(t *testing.T, prepare func(*store.Store), use func(*lifecycle.Worker, *embedded.Engine)) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	records, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(w.dir, "store"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	if prepare != nil {
		prepare(records)
	}
	engine, err := embedded.New(records, w.keyring, nil, logger, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	worker, err := lifecycle.Start(t.Context(), records, lifecycle.Options{
		Engines: lifecycle.Engines{lifecycle.Embedded: lifecycle.NewEmbedded(engine)}, Sealer: w.keyring, Queue: lifecycle.NewQueue(), Node: "0123456789",
		Logger: logger, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Stop()
	use(worker, engine)
}

func record(w world, id, stage string, kind directory.Kind) store.Directory {
	return store.Directory{
		ID: id, Account: "123456789012", Region: "us-east-1", Type: string(kind), Name: "corp.example.com", ShortName: "CORP", SID: "S-1-5-21-1-2-3",
		Stage: stage, Password: w.keyring.Seal([]byte(bossPassword), id),
	}
}

func put(t *testing.T, records *store.Store, d store.Directory) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	directories, err := records.FollowDirectories(ctx, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := directories.Put(ctx, &d); err != nil {
		t.Fatal(err)
	}
	stop()
	directories.Wait()
}

// A directory that a process has left in the middle of its making is finished by the next one, whatever was done.
func TestCreationGoesOn(t *testing.T) {
	for _, kind := range []directory.Kind{directory.SimpleAD, directory.MicrosoftAD} {
		for _, stage := range []string{lifecycle.Requested, lifecycle.Creating} {
			for _, made := range []int{0, 1, 7, 60} { // entries that are there already
				w := newWorld(t)
				w.run(t, func(records *store.Store) {
					put(t, records, record(w, "d-00000000c1", stage, kind))
					w.half(t, records, kind, made)
				}, func(worker *lifecycle.Worker, engine *embedded.Engine) {
					if err := worker.Await(t.Context(), "d-00000000c1"); err != nil {
						t.Fatalf("%s %s %d: %v", kind, stage, made, err)
					}
					there, err := worker.Directories().Find("d-00000000c1")
					if err != nil || there.Password != nil || there.StageTime.IsZero() {
						t.Errorf("the record still has the password, or no time: %+v, %v", there, err)
					}
					name := directory.Domain{Kind: kind}.Administrator()
					if _, err := engine.Bind(t.Context(), true, name, []byte(bossPassword)); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
				// The next process serves it at once.
				w.run(t, nil, func(_ *lifecycle.Worker, engine *embedded.Engine) {
					if _, err := engine.Conn("d-00000000c1"); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// half provisions until so many entries are there.
func (w world) half(t *testing.T, records *store.Store, kind directory.Kind, entries int) {
	t.Helper()
	engine, err := embedded.New(records, w.keyring, nil, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	domain, err := lifecycle.Domain(record(w, "d-00000000c1", "", kind))
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Serve(t.Context(), domain); err != nil {
		t.Fatal(err)
	}
	ctx := &countdown{t.Context(), entries}
	if err := engine.Provision(ctx, domain); err == nil && entries < 40 {
		t.Fatalf("provisioning was not interrupted after %d entries", entries)
	}
}

// countdown is a context that ends after it was asked for its end so many times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestDeletionGoesOn(t *testing.T) {
	w := newWorld(t)
	w.run(t, nil, func(worker *lifecycle.Worker, _ *embedded.Engine) {
		d := record(w, "", "", directory.SimpleAD)
		made, err := worker.Create(t.Context(), d, []byte(bossPassword))
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Await(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
	})
	var id string
	w.run(t, func(records *store.Store) {
		ctx, stop := context.WithCancel(t.Context())
		directories, err := records.FollowDirectories(ctx, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		d := directories.All("", "", "", 1)[0]
		d.Stage, id = lifecycle.Deleting, d.ID
		if err := directories.Put(ctx, &d); err != nil {
			t.Fatal(err)
		}
		stop()
		directories.Wait()
	}, func(worker *lifecycle.Worker, engine *embedded.Engine) {
		deadline := time.Now().Add(time.Minute)
		for {
			if _, err := worker.Directories().Find(id); errors.Is(err, store.ErrNotFound) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the directory is not gone")
			}
			time.Sleep(time.Millisecond)
		}
		if _, err := engine.Conn(id); !errors.Is(err, embedded.ErrNotServed) {
			t.Errorf("it is still served: %v", err)
		}
	})
}

// An administrator's password that can't be opened, or that the directory refuses, ends in Failed with the reason.
func TestFailed(t *testing.T) {
	w := newWorld(t)
	sealedForAnother := record(w, "d-00000000c2", lifecycle.Creating, directory.SimpleAD)
	sealedForAnother.Password = w.keyring.Seal([]byte(bossPassword), "d-other")
	weak := record(w, "d-00000000c3", lifecycle.Creating, directory.SimpleAD)
	weak.Password = w.keyring.Seal([]byte("short"), weak.ID)
	w.run(t, func(records *store.Store) { put(t, records, sealedForAnother); put(t, records, weak) }, func(worker *lifecycle.Worker, _ *embedded.Engine) {
		for id, reason := range map[string]string{sealedForAnother.ID: "can't be read", weak.ID: "too short"} {
			if err := worker.Await(t.Context(), id); err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: %v, want %q", id, err, reason)
			}
			if there, err := worker.Directories().Find(id); err != nil || there.Stage != lifecycle.Failed || there.Password != nil {
				t.Errorf("%+v, %v", there, err)
			}
		}
	})
}
