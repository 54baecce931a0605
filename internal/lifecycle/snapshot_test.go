package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

// saver is the engine of controllers with snapshots, whose methods fail as the test says.
type saver struct {
	*controllers

	mu    sync.Mutex
	fail  error
	calls []string
}

func (s *saver) call(name, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, name+" "+id)
	return s.fail
}

func (s *saver) Snapshot(_ context.Context, _ store.Directory, _ directory.Domain, id string) error {
	return s.call("save", id)
}

func (s *saver) Restore(_ context.Context, record *store.Directory, _ directory.Domain, id string) error {
	if err := s.call("restore", id); err != nil {
		return err
	}
	record.Controllers[0].Host = fmt.Sprint("dc", len(s.calls)+10)
	return nil
}

func (s *saver) DeleteSnapshot(_ context.Context, _ store.Directory, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, "delete "+id)
	return nil
}

// failing sets what the methods answer from now on, and forgets the calls.
func (s *saver) failing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.calls = err, nil
}

func (s *saver) made() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func startSaver(t *testing.T) (*lifecycle.Worker, *saver, store.Directory) {
	t.Helper()
	engine := &saver{}
	worker, _ := startEngine(t, t.TempDir(), "0000000001", func(c *controllers) lifecycle.Engine {
		engine.controllers = c
		return engine
	})
	record, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword))
	if err != nil {
		t.Fatal(err)
	}
	return worker, engine, eventually(t, worker, record.ID, isActive)
}

func isActive(d store.Directory) bool { return d.Stage == lifecycle.Active }

// snapshot makes a snapshot and waits for the status.
func snapshot(t *testing.T, worker *lifecycle.Worker, directory, status string) store.Snapshot {
	t.Helper()
	record, err := worker.Directories().Find(directory)
	if err != nil {
		t.Fatal(err)
	}
	made, err := worker.CreateSnapshot(t.Context(), record, "named")
	if err != nil {
		t.Fatal(err)
	}
	return settled(t, worker, made.ID, status)
}

func settled(t *testing.T, worker *lifecycle.Worker, id, status string) store.Snapshot {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		there, err := worker.Snapshot(id)
		if err == nil && there.Status == status {
			return there
		}
		if time.Now().After(deadline) {
			t.Fatalf("the snapshot is %+v, %v", there, err)
		}
	}
}

// vanished waits until the snapshot is deleted.
func vanished(t *testing.T, worker *lifecycle.Worker, engine *saver, id string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !slices.Contains(engine.made(), "delete "+id); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the engine was asked for %q", engine.made())
		}
	}
	if _, err := worker.Snapshot(id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted snapshot: %v", err)
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	worker, engine, record := startSaver(t)
	made := snapshot(t, worker, record.ID, lifecycle.SnapshotCompleted)
	if made.Name != "named" || made.Type != lifecycle.Manual || made.Account != record.Account || made.Region != record.Region || made.StartTime.IsZero() {
		t.Errorf("%+v", made)
	}
	if err := worker.Restore(t.Context(), record, made); err != nil {
		t.Fatal(err)
	}
	record = eventually(t, worker, record.ID, isActive)
	if record.Restore != (store.Restore{Snapshot: made.ID, Number: 1}) || record.Controllers[0].Host != "dc12" {
		t.Errorf("%+v", record)
	}
	if err := worker.DeleteSnapshot(t.Context(), record, made); err != nil {
		t.Fatal(err)
	}
	vanished(t, worker, engine, made.ID)
	if err := worker.Restore(t.Context(), record, made); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a restoration from a deleted snapshot: %v", err)
	}
}

// What fails for good is Failed, or RestoreFailed, and says why; a directory whose restoration failed can be restored again.
func TestSnapshotFails(t *testing.T) {
	worker, engine, record := startSaver(t)
	good := snapshot(t, worker, record.ID, lifecycle.SnapshotCompleted)
	for _, c := range []struct {
		err      error
		attempts int
	}{
		{errors.New("samba-tool fell over"), 3}, {fmt.Errorf("%w: 3 MiB are free", store.ErrFull), 1}, {fmt.Errorf("%w: part 3", store.ErrDamaged), 1},
	} {
		engine.failing(c.err)
		failed := snapshot(t, worker, record.ID, lifecycle.SnapshotFailed)
		if calls := engine.made(); failed.Reason != c.err.Error() || len(calls) != c.attempts+1 || calls[c.attempts] != "delete "+failed.ID {
			t.Errorf("%v: %q after %q", c.err, failed.Reason, calls)
		}
		record, _ = worker.Directories().Find(record.ID)
		if err := worker.Restore(t.Context(), record, failed); !errors.Is(err, lifecycle.ErrStage) {
			t.Errorf("a restoration from a failed snapshot: %v", err)
		}

		engine.failing(c.err)
		if err := worker.Restore(t.Context(), record, good); err != nil {
			t.Fatal(err)
		}
		record = eventually(t, worker, record.ID, func(d store.Directory) bool { return d.Stage == lifecycle.RestoreFailed })
		if calls := engine.made(); record.StageReason != c.err.Error() || len(calls) != c.attempts {
			t.Errorf("%v: %q after %q", c.err, record.StageReason, calls)
		}
		if _, err := worker.CreateSnapshot(t.Context(), record, ""); !errors.Is(err, lifecycle.ErrStage) {
			t.Errorf("a snapshot of what is %s: %v", record.Stage, err)
		}
		engine.failing(nil)
		if err := worker.Restore(t.Context(), record, good); err != nil {
			t.Fatal(err)
		}
		record = eventually(t, worker, record.ID, isActive)
	}
}

// While the store does not answer, nothing is given up.
func TestSnapshotWaitsForStore(t *testing.T) {
	worker, engine, record := startSaver(t)
	engine.failing(store.ErrUnavailable)
	made, err := worker.CreateSnapshot(t.Context(), record, "")
	if err != nil {
		t.Fatal(err)
	}
	for len(engine.made()) < 3 {
		time.Sleep(time.Millisecond)
	}
	// Meanwhile the directory can't be put back to something else.
	if err := worker.Restore(t.Context(), record, store.Snapshot{ID: "s-0000000009", Directory: record.ID, Status: lifecycle.SnapshotCompleted}); !errors.Is(err, lifecycle.ErrStage) {
		t.Errorf("a restoration while a snapshot is made: %v", err)
	}
	engine.failing(nil)
	settled(t, worker, made.ID, lifecycle.SnapshotCompleted)
}

func TestSnapshotsRefused(t *testing.T) {
	worker, engine, record := startSaver(t)
	var all []store.Snapshot
	for range lifecycle.SnapshotLimit {
		all = append(all, snapshot(t, worker, record.ID, lifecycle.SnapshotCompleted))
	}
	if _, err := worker.CreateSnapshot(t.Context(), record, ""); !errors.Is(err, lifecycle.ErrSnapshotLimit) {
		t.Errorf("one too many: %v", err)
	}
	if err := worker.DeleteSnapshot(t.Context(), record, all[0]); err != nil {
		t.Fatal(err)
	}
	if n := worker.ManualSnapshots(record.ID); n != lifecycle.SnapshotLimit-1 {
		t.Errorf("after one was deleted there are %d", n)
	}
	snapshot(t, worker, record.ID, lifecycle.SnapshotCompleted)

	engine.controllers.fail(record.ID, "dc1", "it was killed")
	impaired := eventually(t, worker, record.ID, func(d store.Directory) bool { return d.Stage == lifecycle.Impaired })
	if err := worker.Restore(t.Context(), impaired, all[1]); !errors.Is(err, lifecycle.ErrStage) {
		t.Errorf("a restoration of an impaired directory: %v", err)
	}
	engine.controllers.fail(record.ID, "dc1", "")
	record = eventually(t, worker, record.ID, isActive)

	engine.failing(store.ErrUnavailable)
	if err := worker.Restore(t.Context(), record, all[1]); err != nil {
		t.Fatal(err)
	}
	record, _ = worker.Directories().Find(record.ID)
	if err := worker.DeleteSnapshot(t.Context(), record, all[1]); !errors.Is(err, lifecycle.ErrStage) {
		t.Errorf("the end of a snapshot that is being restored: %v", err)
	}
	if err := worker.Restore(t.Context(), record, all[2]); !errors.Is(err, lifecycle.ErrStage) {
		t.Errorf("two restorations: %v", err)
	}
	engine.failing(nil)
	record = eventually(t, worker, record.ID, isActive)

	// With the directory go its snapshots.
	if err := worker.Delete(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		left := worker.Snapshots(func(store.Snapshot) bool { return true }, "", 10)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left are %+v", left)
		}
	}
}

func TestEngineWithoutSnapshots(t *testing.T) {
	worker, _ := startControllers(t, t.TempDir(), "0000000001")
	record, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword))
	if err != nil {
		t.Fatal(err)
	}
	record = eventually(t, worker, record.ID, isActive)
	if _, err := worker.CreateSnapshot(t.Context(), record, ""); !errors.Is(err, lifecycle.ErrNoSnapshots) {
		t.Error(err)
	}
	if err := worker.Restore(t.Context(), record, store.Snapshot{}); !errors.Is(err, lifecycle.ErrNoSnapshots) {
		t.Error(err)
	}
}

const embeddedUser = "CN=jane,CN=Users,DC=corp,DC=example,DC=com"

func addUser(t *testing.T, conn directory.Conn, password string) {
	t.Helper()
	err := directory.Ensure(t.Context(), conn, embeddedUser, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"jane"}})
	if err != nil {
		t.Fatal(err)
	}
	setPassword(t, conn, password)
}

func setPassword(t *testing.T, conn directory.Conn, password string) {
	t.Helper()
	domain := directory.Domain{Kind: directory.SimpleAD, Name: "corp.example.com"}
	if _, err := directory.ResetPassword(t.Context(), conn, domain, "jane", []byte(password), directory.ResetOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A process that ends in the middle of a snapshot or of a restoration leaves it to the next one, wherever that was.
func TestSnapshotGoesOn(t *testing.T) {
	const id, then, now = "d-00000000c1", "Then-Was-Then-1", "Now-Is-Now-22"
	w := newWorld(t)
	var made store.Snapshot
	w.run(t, func(records *store.Store) { put(t, records, record(w, id, lifecycle.Requested, directory.SimpleAD)) }, func(worker *lifecycle.Worker, engine *embedded.Engine) {
		if err := worker.Await(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		conn, err := engine.Conn(id)
		if err != nil {
			t.Fatal(err)
		}
		addUser(t, conn, then)
		// Enough for several parts.
		for n := range 60 {
			request := ldap.NewAddRequest(fmt.Sprintf("CN=c%d,CN=Users,DC=corp,DC=example,DC=com", n), nil)
			request.Attribute("objectClass", []string{"contact"})
			request.Attribute("thumbnailPhoto", []string{strings.Repeat(fmt.Sprint(n), 10_000)})
			if err := conn.Add(t.Context(), request); err != nil {
				t.Fatal(err)
			}
		}
		record, err := worker.Directories().Find(id)
		if err != nil {
			t.Fatal(err)
		}
		if made, err = worker.CreateSnapshot(t.Context(), record, ""); err != nil {
			t.Fatal(err)
		}
	})
	// Workers that are stopped a little later each time, until one comes to the end.
	until := func(is func(*lifecycle.Worker) bool) {
		for patience := time.Duration(0); ; patience += patience/4 + 200*time.Microsecond {
			if patience > 2*time.Minute {
				t.Fatal("it comes to no end")
			}
			done := false
			w.run(t, nil, func(worker *lifecycle.Worker, _ *embedded.Engine) {
				for deadline := time.Now().Add(patience); !done && time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
					done = is(worker)
				}
			})
			if done {
				return
			}
		}
	}
	until(func(worker *lifecycle.Worker) bool {
		there, err := worker.Snapshot(made.ID)
		made = there
		return err == nil && there.Status == lifecycle.SnapshotCompleted
	})
	w.run(t, nil, func(worker *lifecycle.Worker, engine *embedded.Engine) {
		conn, err := engine.Conn(id)
		if err != nil {
			t.Fatal(err)
		}
		setPassword(t, conn, now)
		if err := conn.Delete(t.Context(), ldap.NewDelRequest("CN=c7,CN=Users,DC=corp,DC=example,DC=com", nil)); err != nil {
			t.Fatal(err)
		}
		record, err := worker.Directories().Find(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Restore(t.Context(), record, made); err != nil {
			t.Fatal(err)
		}
	})
	until(func(worker *lifecycle.Worker) bool {
		record, err := worker.Directories().Find(id)
		return err == nil && record.Stage == lifecycle.Active
	})
	w.run(t, nil, func(_ *lifecycle.Worker, engine *embedded.Engine) {
		if _, err := engine.Bind(t.Context(), true, "jane", []byte(then)); err != nil {
			t.Errorf("the password of then: %v", err)
		}
		if _, err := engine.Bind(t.Context(), true, "jane", []byte(now)); err == nil {
			t.Error("the password of now is good")
		}
		conn, err := engine.Conn(id)
		if err != nil {
			t.Fatal(err)
		}
		result, err := conn.Search(t.Context(), ldap.NewSearchRequest("DC=corp,DC=example,DC=com", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=contact)", []string{"cn"}, nil))
		if err != nil || len(result.Entries) != 60 {
			t.Errorf("%d contacts, %v", len(result.Entries), err)
		}
	})
}
