package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

// controllers is an engine of domain controllers that are up or down as the test says.
type controllers struct {
	queue *lifecycle.Queue

	mu      sync.Mutex
	hosts   map[string][]string          // by directory
	down    map[string]map[string]string // by directory and host: why
	create  func() error
	serve   func() error
	missing error
}

func (c *controllers) Create(_ context.Context, record store.Directory, _ directory.Domain, _ []byte) error {
	if err := c.create(); err != nil {
		return err
	}
	return c.set(record)
}

func (c *controllers) Serve(_ context.Context, record store.Directory, _ directory.Domain) error {
	if err := c.serve(); err != nil {
		return err
	}
	return c.set(record)
}

func (c *controllers) set(record store.Directory) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[record.ID] = nil
	for _, controller := range record.Controllers {
		if controller.Stage != lifecycle.Deleting {
			c.hosts[record.ID] = append(c.hosts[record.ID], controller.Host)
		}
	}
	return nil
}

func (c *controllers) Drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.hosts, id)
}

func (c *controllers) Remove(_ context.Context, id string) error {
	c.Drop(id)
	return nil
}

func (c *controllers) Conn(string) (directory.Conn, error) { return nil, directory.ErrUnavailable }

func (c *controllers) Health(id string) []lifecycle.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []lifecycle.Health
	for _, host := range c.hosts[id] {
		reason, down := c.down[id][host]
		all = append(all, lifecycle.Health{Name: host, Up: !down, Reason: reason})
	}
	return all
}

func (c *controllers) Available() error { return c.missing }
func (c *controllers) Controllers() int { return 2 }

func (c *controllers) Place(taken []string) (string, error) {
	for i := 1; i <= 5; i++ {
		if address := fmt.Sprintf("127.1.1.%d", i); !slices.Contains(taken, address) {
			return address, nil
		}
	}
	return "", lifecycle.ErrAddresses
}

// some says whether a domain controller is down.
func (c *controllers) some() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, down := range c.down {
		if len(down) > 0 {
			return true
		}
	}
	return false
}

// fail takes a domain controller down, for a reason; "" takes it up.
func (c *controllers) fail(id, host, reason string) {
	c.mu.Lock()
	if c.down[id] == nil {
		c.down[id] = map[string]string{}
	}
	c.down[id][host] = reason
	if reason == "" {
		delete(c.down[id], host)
	}
	c.mu.Unlock()
	c.queue.HealthChanged(id)
}

func startControllers(t *testing.T, dir, node string) (*lifecycle.Worker, *controllers) {
	t.Helper()
	return startEngine(t, dir, node, func(c *controllers) lifecycle.Engine { return c })
}

// startEngine runs a worker on the engine that whole makes of the controllers.
func startEngine(t *testing.T, dir, node string, whole func(*controllers) lifecycle.Engine) (*lifecycle.Worker, *controllers) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	records, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "store"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	nothing := func() error { return nil }
	engine := &controllers{
		queue: lifecycle.NewQueue(), hosts: map[string][]string{}, down: map[string]map[string]string{}, create: nothing, serve: nothing,
	}
	worker, err := lifecycle.Start(t.Context(), records, lifecycle.Options{
		Engines: lifecycle.Engines{lifecycle.Samba: whole(engine)}, Sealer: newWorld(t).keyring, Queue: engine.queue, Node: node, Logger: logger, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Stop)
	return worker, engine
}

func onSamba() store.Directory {
	return store.Directory{Account: "123456789012", Region: "us-east-1", Type: "MicrosoftAD", Name: "corp.example.com", ShortName: "CORP", Engine: lifecycle.Samba}
}

// eventually waits until the directory's record is as it should be.
func eventually(t *testing.T, worker *lifecycle.Worker, id string, want func(store.Directory) bool) store.Directory {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		record, err := worker.Directories().Find(id)
		if err == nil && want(record) {
			return record
		}
		if time.Now().After(deadline) {
			t.Fatalf("the record is %+v, %v", record, err)
		}
	}
}

func stages(record store.Directory) map[string]string {
	all := map[string]string{}
	for _, c := range record.Controllers {
		all[c.Host+" "+c.Address] = c.Stage
	}
	return all
}

// The stage of a directory, and of each of its domain controllers, is what the engine says of them.
func TestStagesFollowDomainControllers(t *testing.T) {
	t.Run("served at once", func(t *testing.T) {
		t.Parallel()
		worker, engine := startControllers(t, t.TempDir(), "0000000001")
		stagesFollow(t, worker, engine)
	})
	t.Run("served once they work", func(t *testing.T) {
		t.Parallel()
		worker, engine := startControllers(t, t.TempDir(), "0000000001")
		engine.serve = func() error {
			for engine.some() && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		stagesFollow(t, worker, engine)
	})
}

func stagesFollow(t *testing.T, worker *lifecycle.Worker, engine *controllers) {
	t.Helper()
	record, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword))
	if err != nil {
		t.Fatal(err)
	}
	record = eventually(t, worker, record.ID, func(d store.Directory) bool { return d.Stage == lifecycle.Active })
	if diff := cmp.Diff(map[string]string{"dc1 127.1.1.1": "Active", "dc2 127.1.1.2": "Active"}, stages(record)); diff != "" {
		t.Error(diff)
	}
	for _, step := range []struct {
		host, reason, stage, says string
	}{
		{"dc2", "it was killed", "Impaired", "dc2: it was killed"},
		{"dc1", "its disk is full", "Inoperable", "dc1: its disk is full; dc2: it was killed"},
		{"dc2", "", "Impaired", "dc1: its disk is full"},
		{"dc1", "", "Active", ""},
	} {
		engine.fail(record.ID, step.host, step.reason)
		eventually(t, worker, record.ID, func(d store.Directory) bool {
			up := d.Controllers[0].Stage == "Active"
			return d.Stage == step.stage && d.StageReason == step.says && up == !strings.Contains(step.says, "dc1")
		})
	}
}

func TestDomainControllersJoinAndLeave(t *testing.T) {
	worker, engine := startControllers(t, t.TempDir(), "0000000001")
	record, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword))
	if err != nil {
		t.Fatal(err)
	}
	find := func() store.Directory {
		t.Helper()
		record, err := worker.Directories().Find(record.ID)
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	settled := func(want map[string]string) func(store.Directory) bool {
		return func(d store.Directory) bool { return d.Stage == lifecycle.Active && cmp.Equal(want, stages(d)) }
	}
	eventually(t, worker, record.ID, func(d store.Directory) bool { return d.Stage == lifecycle.Active })
	set := func(count int) {
		t.Helper()
		// The worker may be writing the record at the same moment.
		for {
			err := worker.SetControllers(t.Context(), find(), count)
			if err == nil {
				return
			}
			if !errors.Is(err, store.ErrConflict) {
				t.Fatal(err)
			}
		}
	}
	set(4)
	eventually(t, worker, record.ID, settled(map[string]string{"dc1 127.1.1.1": "Active", "dc2 127.1.1.2": "Active", "dc3 127.1.1.3": "Active", "dc4 127.1.1.4": "Active"}))
	set(2)
	eventually(t, worker, record.ID, settled(map[string]string{"dc1 127.1.1.1": "Active", "dc2 127.1.1.2": "Active"}))
	if health := engine.Health(record.ID); len(health) != 2 {
		t.Errorf("the engine runs %v", health)
	}
	// Another directory gets other addresses, and there are not enough for two more of both.
	other := onSamba()
	other.Name = "other.example.com"
	if other, err = worker.Create(t.Context(), other, []byte(bossPassword)); err != nil || other.Controllers[0].Address != "127.1.1.3" || other.Controllers[1].Address != "127.1.1.4" {
		t.Fatalf("%+v, %v", other.Controllers, err)
	}
	if err := worker.SetControllers(t.Context(), find(), 4); !errors.Is(err, lifecycle.ErrAddresses) {
		t.Errorf("without addresses: %v", err)
	}
	if _, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword)); !errors.Is(err, lifecycle.ErrEngine) || !errors.Is(err, lifecycle.ErrAddresses) {
		t.Errorf("a directory without addresses: %v", err)
	}
}

// A directory whose making fails again and again is Failed, and says why.
func TestCreationFails(t *testing.T) {
	worker, engine := startControllers(t, t.TempDir(), "0000000001")
	var mu sync.Mutex
	attempts := 0
	engine.create = func() error {
		mu.Lock()
		defer mu.Unlock()
		attempts++
		return errors.New("port 389 is taken")
	}
	record, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword))
	if err != nil {
		t.Fatal(err)
	}
	record = eventually(t, worker, record.ID, func(d store.Directory) bool { return d.Stage == lifecycle.Failed })
	mu.Lock()
	defer mu.Unlock()
	if attempts != 3 || record.StageReason != "port 389 is taken" || record.Password != nil {
		t.Errorf("after %d attempts: %+v", attempts, record)
	}
}

func TestEngineMissing(t *testing.T) {
	worker, engine := startControllers(t, t.TempDir(), "0000000001")
	engine.missing = errors.New("install samba")
	if _, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword)); !errors.Is(err, lifecycle.ErrEngine) || !strings.Contains(err.Error(), "install samba") {
		t.Errorf("got %v", err)
	}
	nowhere := onSamba()
	nowhere.Engine = "cloud"
	if _, err := worker.Create(t.Context(), nowhere, []byte(bossPassword)); !errors.Is(err, lifecycle.ErrEngine) {
		t.Errorf("got %v", err)
	}
	if all := worker.Directories().All("", "", "", 10); len(all) != 0 {
		t.Errorf("left behind: %+v", all)
	}
}

// What another server runs is neither served nor removed here.
func TestAnotherServersDirectory(t *testing.T) {
	worker, engine := startControllers(t, t.TempDir(), "0000000002")
	theirs := onSamba()
	theirs.ID, theirs.SID, theirs.Stage, theirs.Node = "d-00000000c9", "S-1-5-21-1-2-3", lifecycle.Active, "0000000001"
	theirs.Controllers = []store.Controller{{ID: "dc-0000000001", Host: "dc1", Address: "127.1.1.1", Stage: lifecycle.Active}}
	if err := worker.Directories().Put(t.Context(), &theirs); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Conn(theirs.ID); !errors.Is(err, lifecycle.ErrElsewhere) || !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("Conn: %v", err)
	}
	if err := worker.Delete(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	// A directory of this server is done with after the other one was looked at.
	ours, err := worker.Create(t.Context(), onSamba(), []byte(bossPassword))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, worker, ours.ID, func(d store.Directory) bool { return d.Stage == lifecycle.Active })
	if record, err := worker.Directories().Find(theirs.ID); err != nil || record.Stage != lifecycle.Deleting {
		t.Errorf("%+v, %v", record, err)
	}
	if engine.Health(theirs.ID) != nil {
		t.Error("it is served here")
	}
	// The addresses of another server's domain controllers are on another machine.
	if ours.Controllers[0].Address != "127.1.1.1" {
		t.Errorf("%+v", ours.Controllers)
	}
}
