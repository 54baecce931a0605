package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
	"latchkey/internal/directory/samba"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

// trusters is an engine whose domains trust each other when both have a half with the same password.
type trusters struct {
	*controllers

	mu     sync.Mutex
	halves map[string]string // by "domain to domain": the password
	broken error             // what every attempt says
	tries  int
	silent *silence
}

// silence is that of a directory whose domain controllers are about to work.
type silence struct {
	directory string
	serving   chan struct{} // closed when its worker waits for them, and until then they are known
	begun     bool
	over      chan struct{} // closed when they work
	looks     int           // at their health
}

func (e *trusters) Serve(ctx context.Context, record store.Directory, d directory.Domain) error {
	e.mu.Lock()
	silent := e.silent
	if silent != nil && silent.directory == record.ID {
		if !silent.begun {
			silent.begun = true
			close(silent.serving)
		}
		e.mu.Unlock()
		<-silent.over
	} else {
		e.mu.Unlock()
	}
	return e.controllers.Serve(ctx, record, d)
}

func (e *trusters) Health(id string) []lifecycle.Health {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.silent != nil && e.silent.directory == id && e.silent.begun {
		e.silent.looks++
		return nil
	}
	return e.controllers.Health(id)
}

// silence begins when the directory's worker waits for its domain controllers, and lasts until the function is called.
func (e *trusters) silence(id string) (end func()) {
	silent := &silence{directory: id, serving: make(chan struct{}), over: make(chan struct{})}
	e.mu.Lock()
	e.silent = silent
	e.mu.Unlock()
	e.queue.HealthChanged(id)
	<-silent.serving
	return sync.OnceFunc(func() {
		e.mu.Lock()
		e.silent = nil
		e.mu.Unlock()
		close(silent.over)
	})
}

func (e *trusters) looked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.silent.looks
}

func (e *trusters) do(work func() error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tries++
	if e.broken != nil {
		return e.broken
	}
	return work()
}

func (e *trusters) tried() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tries
}

func (e *trusters) breaks(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = err
}

func between(from, to string) string { return from + " to " + to }

func (e *trusters) CreateTrust(_ context.Context, d directory.Domain, t samba.Trust, password []byte) error {
	return e.do(func() error {
		if t.Domain == "nowhere.example.com" {
			return &samba.TrustError{Reason: "It is nowhere."}
		}
		e.halves[between(d.Name, t.Domain)] = fmt.Sprintf("%t %s", t.Forest, password)
		return nil
	})
}

func (e *trusters) DeleteTrust(_ context.Context, d directory.Domain, domain string) error {
	return e.do(func() error {
		delete(e.halves, between(d.Name, domain))
		return nil
	})
}

func (e *trusters) VerifyTrust(_ context.Context, d directory.Domain, domain string) error {
	return e.do(func() error {
		if here, there := e.halves[between(d.Name, domain)], e.halves[between(domain, d.Name)]; here == "" || here != there {
			return &samba.TrustError{Reason: "The halves differ."}
		}
		return nil
	})
}

// twoDomains is a worker with two directories that are Active.
func twoDomains(t *testing.T, dir string) (*lifecycle.Worker, *trusters) {
	t.Helper()
	engine := &trusters{halves: map[string]string{}}
	w, _ := startEngine(t, dir, "here", func(c *controllers) lifecycle.Engine {
		engine.controllers = c
		return engine
	})
	for id, name := range map[string]string{"d-000000000a": "a.example.com", "d-000000000b": "b.example.com"} {
		if _, err := w.Directories().Find(id); err == nil {
			continue
		}
		record := onSamba()
		record.ID, record.Name = id, name
		if _, err := w.Create(t.Context(), record, []byte("secret")); err != nil {
			t.Fatal(err)
		}
		if err := w.Await(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	return w, engine
}

// change changes the trusts of a directory as the API does.
func change(t *testing.T, w *lifecycle.Worker, directory string, how func(*store.Directory)) {
	t.Helper()
	if _, err := w.Directories().Update(t.Context(), directory, func(d *store.Directory) error { how(d); return nil }); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, w *lifecycle.Worker, directory, id, remote, direction, password string) {
	t.Helper()
	change(t, w, directory, func(d *store.Directory) {
		d.Trusts = append(d.Trusts, store.Trust{
			ID: id, RemoteDomain: remote, Type: lifecycle.TrustForest, Direction: direction, Password: w.Sealer.Seal([]byte(password), id),
			Status: store.Status{State: lifecycle.TrustCreating, Since: time.Now()},
		})
	})
}

func enter(t *testing.T, w *lifecycle.Worker, directory, id, state string) {
	t.Helper()
	change(t, w, directory, func(d *store.Directory) {
		at := slices.IndexFunc(d.Trusts, func(t store.Trust) bool { return t.ID == id })
		d.Trusts[at].Status = store.Status{State: state, Since: time.Now()}
	})
}

// stays waits for a state and its reason; "" is that the trust is gone.
func stays(t *testing.T, w *lifecycle.Worker, directory, id, state, reason string) store.Trust {
	t.Helper()
	var got store.Trust
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		record, err := w.Directories().Find(directory)
		if err != nil {
			t.Fatal(err)
		}
		got = store.Trust{}
		for _, each := range record.Trusts {
			if each.ID == id {
				got = each
			}
		}
		if got.State == state && got.Reason == reason {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("trust %s is %q because %q, want %q because %q", id, got.State, got.Reason, state, reason)
		}
	}
}

func until(t *testing.T, what string, sees func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !sees(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

const (
	dirA, dirB     = "d-000000000a", "d-000000000b"
	trustA, trustB = "t-000000000a", "t-000000000b"
)

// A trust is made, verified as soon as both halves are there, and again when one changes or goes.
func TestTrusts(t *testing.T) {
	w, engine := twoDomains(t, t.TempDir())
	begin(t, w, dirA, trustA, "B.example.com.", lifecycle.TrustTwoWay, "same")
	if got := stays(t, w, dirA, trustA, lifecycle.TrustVerifyFailed, "The halves differ."); got.Password != nil {
		t.Error("the password is kept though the domain holds it")
	}
	begin(t, w, dirB, trustB, "a.example.com", lifecycle.TrustTwoWay, "same")
	stays(t, w, dirB, trustB, lifecycle.TrustVerified, "")
	stays(t, w, dirA, trustA, lifecycle.TrustVerified, "")
	engine.mu.Lock()
	if diff := cmp.Diff(map[string]string{"a.example.com to b.example.com": "true same", "b.example.com to a.example.com": "true same"}, engine.halves); diff != "" {
		t.Error(diff)
	}
	engine.mu.Unlock()

	enter(t, w, dirA, trustA, lifecycle.TrustUpdating)
	stays(t, w, dirA, trustA, lifecycle.TrustVerified, "")
	enter(t, w, dirA, trustA, lifecycle.TrustDeleting)
	stays(t, w, dirA, trustA, "", "")
	stays(t, w, dirB, trustB, lifecycle.TrustVerifyFailed, "The halves differ.")

	begin(t, w, dirA, "t-00000000ff", "nowhere.example.com", lifecycle.TrustTwoWay, "same")
	stays(t, w, dirA, "t-00000000ff", lifecycle.TrustFailed, "It is nowhere.")
}

// One that only lets the directory's own users out is not verified unless it is asked for, and then where the others are.
func TestIncomingTrust(t *testing.T) {
	w, engine := twoDomains(t, t.TempDir())
	begin(t, w, dirA, trustA, "b.example.com", lifecycle.TrustIncoming, "same")
	stays(t, w, dirA, trustA, lifecycle.TrustCreated, "")
	if n := engine.tried(); n != 1 {
		t.Errorf("the engine was asked %d times", n)
	}
	enter(t, w, dirA, trustA, lifecycle.TrustVerifying)
	stays(t, w, dirA, trustA, lifecycle.TrustVerifyFailed, "An incoming trust is verified by the other domain, which this server does not run.")
	begin(t, w, dirB, trustB, "a.example.com", lifecycle.TrustOutgoing, "other")
	stays(t, w, dirA, trustA, lifecycle.TrustVerifyFailed, "From the other domain's side: The halves differ.")
	enter(t, w, dirB, trustB, lifecycle.TrustDeleting)
	stays(t, w, dirB, trustB, "", "")
	begin(t, w, dirB, trustB, "a.example.com", lifecycle.TrustOutgoing, "same")
	stays(t, w, dirB, trustB, lifecycle.TrustVerified, "")
	stays(t, w, dirA, trustA, lifecycle.TrustVerified, "")
}

// What could not be done for now is tried again; a restored domain's trusts are verified once more.
func TestTrustsResume(t *testing.T) {
	dir := t.TempDir()
	w, engine := twoDomains(t, dir)
	engine.breaks(errors.New("no domain controller works"))
	begin(t, w, dirA, trustA, "b.example.com", lifecycle.TrustOutgoing, "same")
	until(t, "another try", func() bool { return engine.tried() > 1 })
	if got := stays(t, w, dirA, trustA, lifecycle.TrustCreating, ""); got.Password == nil {
		t.Error("the password is lost though the domain does not hold it")
	}
	engine.breaks(nil)
	stays(t, w, dirA, trustA, lifecycle.TrustVerifyFailed, "The halves differ.")

	tried := engine.tried()
	change(t, w, dirA, func(d *store.Directory) { d.Restore.Number++ })
	until(t, "a verification after the restoration", func() bool {
		record, err := w.Directories().Find(dirA)
		return err == nil && record.Trusts[0].State == lifecycle.TrustVerifyFailed && record.Trusts[0].Restore == 1
	})
	if engine.tried() == tried {
		t.Error("the engine was not asked")
	}
}

// The silence of a domain whose domain controllers are about to work says nothing.
func TestTrustWaits(t *testing.T) {
	w, engine := twoDomains(t, t.TempDir())
	begin(t, w, dirB, trustB, "a.example.com", lifecycle.TrustIncoming, "same")
	stays(t, w, dirB, trustB, lifecycle.TrustCreated, "")
	works := engine.silence(dirB)
	defer works()
	tried := engine.tried()
	begin(t, w, dirA, trustA, "b.example.com", lifecycle.TrustOutgoing, "same")
	until(t, "a second look at the other domain", func() bool { return engine.looked() > 1 })
	if n := engine.tried() - tried; n != 0 {
		t.Errorf("the engine was asked %d times", n)
	}
	stays(t, w, dirA, trustA, lifecycle.TrustCreating, "")
	works()
	stays(t, w, dirA, trustA, lifecycle.TrustVerified, "")
}
