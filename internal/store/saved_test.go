package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	savedDirectory = "d-0000000001"
	savedSnapshot  = "s-0000000001"
)

// saved is a store with a directory that has a tree, and a snapshot of it in the making.
type saved struct {
	*Store
	t         *testing.T
	directory Directory
	snapshot  Snapshot
	sets      struct {
		directories *Directories
		snapshots   *Snapshots
	}
}

func newSaved(t *testing.T) *saved {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &saved{Store: s, t: t, directory: Directory{ID: savedDirectory, Stage: "Active"}, snapshot: Snapshot{ID: savedSnapshot, Directory: savedDirectory, Status: "Creating"}}
	ctx, stop := context.WithCancel(context.Background())
	if w.sets.directories, err = s.FollowDirectories(ctx, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if w.sets.snapshots, err = s.FollowSnapshots(ctx, func(string) {}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); w.sets.directories.Wait(); w.sets.snapshots.Wait() })
	if err := w.sets.directories.Put(t.Context(), &w.directory); err != nil {
		t.Fatal(err)
	}
	if err := w.sets.snapshots.PutFor(t.Context(), w.directory, &w.snapshot); err != nil {
		t.Fatal(err)
	}
	return w
}

func guid(n int) (g GUID) {
	g[0], g[1], g[15] = byte(n), byte(n>>8), 1
	return g
}

// fill adds entries, each with a claim and a link to the one before, of so many random bytes.
func (w *saved) fill(from, to, size int) {
	w.t.Helper()
	for n := from; n < to; n++ {
		noise := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(noise)
		b := NewBatch(savedDirectory)
		b.Put(&Entry{GUID: guid(n), RDN: fmt.Sprint("CN=", n), Attributes: map[string][]string{"description": {string(noise)}}, Secret: []byte("sealed")})
		b.Claim("sAMAccountName", fmt.Sprint(n), guid(n))
		b.Place(GUID{}, fmt.Sprint("cn=", n), guid(n))
		if n > 0 {
			b.Link(Link{"member", guid(n), guid(n - 1)})
		}
		if _, err := w.Commit(w.t.Context(), b); err != nil {
			w.t.Fatal(err)
		}
	}
}

// tree is all keys of the directory's tree, with their values.
func (w *saved) tree() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, prefix := range savedRanges(savedDirectory) {
		response, err := w.client.Get(w.t.Context(), prefix, clientv3.WithPrefix())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, kv := range response.Kvs {
			all[string(kv.Key)] = string(kv.Value)
		}
	}
	return all
}

func (w *saved) save() {
	w.t.Helper()
	if err := w.SaveTree(w.t.Context(), w.directory, savedSnapshot); err != nil {
		w.t.Fatal(err)
	}
}

// begin makes the directory Restoring, once more.
func (w *saved) begin() {
	w.t.Helper()
	w.directory.Stage = "Restoring"
	w.directory.Restore = Restore{savedSnapshot, w.directory.Restore.Number + 1}
	if err := w.sets.directories.Put(w.t.Context(), &w.directory); err != nil {
		w.t.Fatal(err)
	}
}

// ruin changes, removes and adds what there is.
func (w *saved) ruin() {
	w.t.Helper()
	_, err := w.client.Delete(w.t.Context(), treePrefix+savedDirectory+"/entry/0", clientv3.WithPrefix())
	if err != nil {
		w.t.Fatal(err)
	}
	w.fill(5000, 5010, 10)
}

func (w *saved) parts() int64 {
	w.t.Helper()
	response, err := w.client.Get(w.t.Context(), savedPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		w.t.Fatal(err)
	}
	return response.Count
}

// A tree comes back as it was, whatever happened to it since, in parts that etcd takes. Counters do not go back.
func TestTreeComesBack(t *testing.T) {
	w := newSaved(t)
	if _, err := w.Reserve(t.Context(), savedDirectory, "rid", 1000, 100); err != nil {
		t.Fatal(err)
	}
	w.fill(0, 300, 10_000)
	want := w.tree()
	w.save()
	if parts := w.parts(); parts < 7 {
		t.Errorf("3 MB are in %d parts", parts)
	}
	w.ruin()
	if _, err := w.Reserve(t.Context(), savedDirectory, "rid", 1000, 100); err != nil {
		t.Fatal(err)
	}
	for range 2 { // more than once, too
		w.begin()
		if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.tree()); diff != "" {
			t.Fatal(diff)
		}
		w.ruin()
	}
	if next, err := w.Reserve(t.Context(), savedDirectory, "rid", 1000, 100); err != nil || next != 1200 {
		t.Errorf("the counter is at %d, %v", next, err)
	}
	if err := w.DropSaved(t.Context(), savedDirectory, savedSnapshot); err != nil || w.parts() != 0 {
		t.Errorf("%d parts are left, %v", w.parts(), err)
	}
	if err := w.RemoveTree(t.Context(), savedDirectory); err != nil {
		t.Fatal(err)
	}
	left, err := w.client.Get(t.Context(), root, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil || left.Count != 2 {
		t.Errorf("beside the two records there is left: %v, %v", left.Kvs, err)
	}
}

// What is saved is the tree of one moment: of a change of two entries both are in it, or none.
func TestSavedAtOneMoment(t *testing.T) {
	w := newSaved(t)
	w.fill(0, 40, 30_000) // several parts, so that the saving takes a while
	first, last := guid(0), guid(39)
	entry := func(g GUID, round int) *Entry {
		return &Entry{GUID: g, RDN: "CN=pair", Attributes: map[string][]string{"info": {fmt.Sprint(round)}}}
	}
	started, stop, stopped := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		for round := 0; ; round++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			b := NewBatch(savedDirectory)
			for _, g := range []GUID{first, last} {
				value, err := encodeEntry(entry(g, round))
				b.err = errors.Join(b.err, err)
				b.operations = append(b.operations, clientv3.OpPut(b.entryKey(g), value))
			}
			if _, err := w.Commit(context.Background(), b); err != nil {
				stopped <- err
				return
			}
			if round == 0 {
				close(started)
			}
		}
	}()
	<-started
	w.save()
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	w.begin()
	if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); err != nil {
		t.Fatal(err)
	}
	b, there := NewBatch(savedDirectory), w.tree()
	one, two := there[b.entryKey(first)], there[b.entryKey(last)]
	if one == "" || one != two {
		t.Errorf("the two entries are %q and %q", one, two)
	}
}

// repeated calls do with contexts that end later and later, until it succeeds. It tells how often it was interrupted.
func repeated(t *testing.T, do func(context.Context) error) (interrupted int) {
	t.Helper()
	for patience := time.Duration(0); ; patience += patience/2 + 300*time.Microsecond {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := do(ctx)
		cancel()
		if err == nil {
			return interrupted
		}
		if interrupted++; patience > time.Minute {
			t.Error(err)
			return interrupted
		}
	}
}

// Interrupted wherever it may be and begun again, by several servers at once, the tree is saved and restored all the same.
func TestInterrupted(t *testing.T) {
	w := newSaved(t)
	w.fill(0, 60, 10_000)
	want := w.tree()
	atOnce := func(do func(context.Context) error) (interrupted int) {
		var group sync.WaitGroup
		var mu sync.Mutex
		for range 3 {
			group.Go(func() {
				n := repeated(t, do)
				mu.Lock()
				defer mu.Unlock()
				interrupted += n
			})
		}
		group.Wait()
		return interrupted
	}
	if n := atOnce(func(ctx context.Context) error { return w.SaveTree(ctx, w.directory, savedSnapshot) }); n < 3 {
		t.Errorf("the saving was interrupted %d times", n)
	}
	w.ruin()
	for range 2 {
		w.begin()
		if n := atOnce(func(ctx context.Context) error { return w.RestoreTree(ctx, w.directory, savedSnapshot) }); n < 3 {
			t.Errorf("the restoration was interrupted %d times", n)
		}
		if diff := cmp.Diff(want, w.tree()); diff != "" {
			t.Fatal(diff)
		}
		w.ruin()
	}
}

// A server that comes late with a restoration that is done leaves what was written since.
func TestRestoredOnce(t *testing.T) {
	w := newSaved(t)
	w.fill(0, 10, 10)
	w.save()
	w.begin()
	for range 2 {
		if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); err != nil {
			t.Fatal(err)
		}
		w.fill(20, 21, 10)
		if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); err != nil {
			t.Fatal(err)
		}
		if _, ok := w.tree()[NewBatch(savedDirectory).entryKey(guid(20))]; !ok {
			t.Error("what was written after the restoration is gone")
		}
		w.begin()
	}
}

// A server that another one overtakes does not clear what that one has restored, though the record still says so.
func TestOvertakenRestoration(t *testing.T) {
	w := newSaved(t)
	w.fill(0, 10, 10)
	w.save()
	want := w.tree()
	w.begin()
	if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); err != nil {
		t.Fatal(err)
	}
	if _, err := w.clearTree(t.Context(), w.directory); !errors.Is(err, ErrConflict) {
		t.Errorf("clearing after the end: %v", err)
	}
	if diff := cmp.Diff(want, w.tree()); diff != "" {
		t.Error(diff)
	}
}

// Whoever has read the tree before it was restored writes nothing to it; whoever reads it again does.
func TestFormerTreeIsClosed(t *testing.T) {
	w := newSaved(t)
	w.fill(0, 10, 10)
	w.save()
	follow := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done, err := w.FollowTree(ctx, savedDirectory, func([]TreeChange) {}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		return func() { cancel(); <-done }
	}
	add := func(n int) error {
		b := NewBatch(savedDirectory)
		b.Exists(guid(1))
		b.Put(&Entry{GUID: guid(n), RDN: "CN=late"})
		_, err := w.Commit(t.Context(), b)
		return err
	}
	stop := follow()
	if err := add(100); err != nil {
		t.Fatal(err)
	}
	w.begin()
	if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); err != nil {
		t.Fatal(err)
	}
	if err := add(101); !errors.Is(err, ErrConflict) {
		t.Errorf("a write to the former tree: %v", err)
	}
	stop()
	defer follow()()
	if err := add(102); err != nil {
		t.Errorf("a write to the restored tree: %v", err)
	}
}

// Nothing is taken away for a restoration that can't come to its end.
func TestRestorationNotBegun(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*saved)
		want  error
	}{
		"the record changed": {func(w *saved) {
			record := w.directory
			record.Description = "another"
			if err := w.sets.directories.Put(w.t.Context(), &record); err != nil {
				w.t.Fatal(err)
			}
		}, ErrConflict},
		"a part is missing": {func(w *saved) {
			if _, err := w.client.Delete(w.t.Context(), savedPrefix+w.snapshot.path()+"/chunk/00000002"); err != nil {
				w.t.Fatal(err)
			}
		}, ErrDamaged},
		"a part is cut": {func(w *saved) {
			key := savedPrefix + w.snapshot.path() + "/chunk/00000001"
			part, err := w.client.Get(w.t.Context(), key)
			if err != nil {
				w.t.Fatal(err)
			}
			value := part.Kvs[0].Value
			if _, err := w.client.Put(w.t.Context(), key, string(value[:len(value)-10])); err != nil {
				w.t.Fatal(err)
			}
		}, ErrDamaged},
		"a part is of another directory": {func(w *saved) {
			c := chunk{Last: true, Items: []savedItem{{Key: []byte("tree/d-0000000002/entry/x")}}}
			value, err := c.encode()
			if err != nil {
				w.t.Fatal(err)
			}
			if _, err := w.client.Put(w.t.Context(), savedPrefix+w.snapshot.path()+"/chunk/00000001", value); err != nil {
				w.t.Fatal(err)
			}
		}, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSaved(t)
			w.fill(0, 150, 10_000)
			w.save()
			w.ruin()
			want := w.tree()
			w.begin()
			c.spoil(w)
			if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !maps.Equal(want, w.tree()) {
				t.Error("the tree is not what it was")
			}
		})
	}
}

// When the store has forgotten the moment that was chosen, the tree is saved as it is at another.
func TestMomentForgotten(t *testing.T) {
	w := newSaved(t)
	w.fill(0, 10, 10)
	begun, err := w.beginSave(t.Context(), w.directory, savedSnapshot)
	if err != nil {
		t.Fatal(err)
	}
	w.fill(10, 20, 10)
	want := w.tree()
	if _, err := w.client.Compact(t.Context(), begun.revision+5); err != nil {
		t.Fatal(err)
	}
	w.save()
	w.begin()
	if err := w.RestoreTree(t.Context(), w.directory, savedSnapshot); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, w.tree()); diff != "" {
		t.Error(diff)
	}
}

// Nothing is saved for a snapshot that is gone, nor of a directory that is not as it was when the snapshot was begun.
func TestSavingNotBegun(t *testing.T) {
	w := newSaved(t)
	w.fill(0, 10, 10)
	stale := w.directory
	w.begin()
	if err := w.SaveTree(t.Context(), stale, savedSnapshot); !errors.Is(err, ErrConflict) {
		t.Errorf("the directory changed: %v", err)
	}
	if err := w.sets.snapshots.RemoveOf(t.Context(), savedDirectory); err != nil {
		t.Fatal(err)
	}
	if err := w.SaveTree(t.Context(), w.directory, savedSnapshot); !errors.Is(err, ErrConflict) {
		t.Errorf("the snapshot is gone: %v", err)
	}
	if w.parts() != 0 {
		t.Errorf("%d parts are saved", w.parts())
	}
}

// What would not fit on the disk is refused before it is begun.
func TestNoRoom(t *testing.T) {
	w := newSaved(t)
	if err := w.room(1 << 60); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}
