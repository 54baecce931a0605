package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// The engines, as records, seeds and flags name them.
const (
	Embedded = "embedded"
	Samba    = "samba"
	Remote   = "remote"
)

// EngineName is the name of the engine that holds the directory's objects.
func EngineName(record store.Directory) string {
	if record.Engine == "" {
		return Embedded
	}
	return record.Engine
}

// Engine holds the objects of directories. What its methods do can be repeated: what is done already is left as it is.
type Engine interface {
	// Create makes the domain of a new directory as AWS hands it over, with its administrator's password, and serves it.
	Create(ctx context.Context, record store.Directory, domain directory.Domain, password []byte) error
	// Serve makes a directory reachable as its record has it.
	Serve(ctx context.Context, record store.Directory, domain directory.Domain) error
	// Drop ends what Serve began.
	Drop(id string)
	// Remove deletes all that Create and the directory's users made. Of a domain that somebody else runs it deletes nothing.
	Remove(ctx context.Context, id string) error
	// Conn fails with directory.ErrUnavailable where the directory can't be asked.
	Conn(id string) (directory.Conn, error)
	// Health is the state of the domain controllers that the engine knows; none for an engine without any.
	Health(id string) []Health
}

// Health is the state of one domain controller.
type Health struct {
	Name   string
	Up     bool
	Reason string // why it is not up, in an administrator's words
}

// Engines is the engines of this server by their names.
type Engines map[string]Engine

// ErrElsewhere says that the directory's domain controllers run on another server.
var ErrElsewhere = fmt.Errorf("%w: another server runs the directory's domain controllers", directory.ErrUnavailable)

func (w *Worker) engine(record store.Directory) (Engine, error) {
	if record.Node != "" && record.Node != w.Node {
		return nil, fmt.Errorf("%w: %s", ErrElsewhere, record.Node)
	}
	engine, ok := w.Engines[EngineName(record)]
	if !ok {
		return nil, fmt.Errorf("%w: there is no engine %q", directory.ErrUnavailable, record.Engine)
	}
	return engine, nil
}

// reflect makes the stage of a directory follow its domain controllers. failed is why the last Serve did not succeed.
func (w *Worker) reflect(ctx context.Context, record store.Directory, failed error) error {
	engine, err := w.engine(record)
	if err != nil {
		return err
	}
	health := engine.Health(record.ID)
	before := record
	record.Controllers = w.controllers(record, health, failed)
	stage, reason := summary(health, failed)
	same := func(a, b store.Controller) bool { return a == b }
	if stage == before.Stage && reason == before.StageReason && slices.EqualFunc(record.Controllers, before.Controllers, same) {
		return nil
	}
	if stage != before.Stage || reason != before.StageReason {
		return w.enter(ctx, &record, stage, reason)
	}
	return w.directories.Put(ctx, &record)
}

// downFor is how long domain controllers may be down, as while they are started anew, before the stage tells of it.
const downFor = 10 * time.Second

// tellDown makes the stage tell of domain controllers of this server's that stay down, also while a Serve waits for them.
func (w *Worker) tellDown(ctx context.Context, id string) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(downFor):
	}
	record, err := w.directories.Find(id)
	if err != nil || record.Node == "" || record.Held || record.Stage == Updating || !served(record) {
		return
	}
	engine, err := w.engine(record)
	if err != nil {
		return // they are another server's
	}
	if stage, _ := summary(engine.Health(id), nil); stage == Active || stage == record.Stage {
		return
	}
	if err := lost(w.reflect(ctx, record, nil)); err != nil {
		w.Logger.Warn("the stage of a directory can't be set", "id", id, "err", err)
	}
}

// summary is the stage of a directory whose domain controllers are so.
func summary(health []Health, failed error) (stage, reason string) {
	up := 0
	var reasons []string
	for _, h := range health {
		if h.Up {
			up++
			continue
		}
		reasons = append(reasons, h.Name+": "+h.Reason)
	}
	if failed != nil {
		reasons = append(reasons, failed.Error())
	}
	reason = shorten(strings.Join(reasons, "; "))
	switch {
	case reason == "" && up > 0:
		return Active, ""
	case up > 0:
		return Impaired, reason
	case reason == "":
		return Inoperable, "No domain controller is known."
	}
	return Inoperable, reason
}

const maxReason = 1024

// shorten makes a reason one line that is not too long.
func shorten(reason string) string {
	reason = strings.ReplaceAll(reason, "\n", "; ")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return reason
}

// controllers is the record's list as the domain controllers really are: those that were to go are gone once the engine
// has made the list true.
func (w *Worker) controllers(record store.Directory, health []Health, failed error) []store.Controller {
	var list []store.Controller
	for _, c := range record.Controllers {
		at := slices.IndexFunc(health, func(h Health) bool { return h.Name == c.Host })
		stage, reason := c.Stage, ""
		switch {
		case c.Stage == Deleting:
			if failed == nil && at < 0 {
				continue
			}
		case at >= 0 && health[at].Up:
			stage = Active
		case at >= 0 && c.Stage != Creating:
			stage, reason = Impaired, health[at].Reason
		case failed != nil:
			reason = failed.Error()
		}
		if stage != c.Stage || reason != c.StageReason {
			c.Stage, c.StageReason, c.StageTime = stage, reason, w.moment()
		}
		list = append(list, c)
	}
	return list
}

// bounded is an engine that can't hold every new directory.
type bounded interface {
	// Available says why the engine can't hold new directories here.
	Available() error
}

// deployer is an engine that runs domain controllers on this server.
type deployer interface {
	// Place is an address for one more domain controller, given those that are taken. Its error wraps ErrAddresses.
	Place(taken []string) (string, error)
	// Controllers is how many domain controllers a new directory gets.
	Controllers() int
}

// deploy gives a new directory the domain controllers that its engine will run for it. It does nothing for an engine that
// runs none. The caller holds w.placing until the record is in the store.
func (w *Worker) deploy(record *store.Directory) error {
	engine, ok := w.Engines[EngineName(*record)]
	if !ok {
		return fmt.Errorf("this server has no engine %q", record.Engine)
	}
	if b, ok := engine.(bounded); ok {
		if err := b.Available(); err != nil {
			return err
		}
	}
	d, ok := engine.(deployer)
	if !ok {
		return nil
	}
	record.Node = w.Node
	return w.extend(record, d, d.Controllers())
}

// extend gives the record so many domain controllers, each with an address that no other of this server has.
func (w *Worker) extend(record *store.Directory, d deployer, count int) error {
	var taken []string
	for _, other := range append(w.directories.All("", "", "", maxDirectories), *record) {
		if other.Node != w.Node {
			continue
		}
		for _, c := range other.Controllers {
			taken = append(taken, c.Address)
		}
	}
	for len(record.Controllers) < count {
		address, err := d.Place(taken)
		if err != nil {
			return err
		}
		taken = append(taken, address)
		record.Controllers = append(record.Controllers, store.Controller{
			ID: "dc-" + random(), Host: nextHost(record.Controllers), Address: address, Stage: Creating, LaunchTime: w.moment(), StageTime: w.moment(),
		})
	}
	return nil
}

// nextHost is the name after the greatest: one that was used is not used again, as others may remember it.
func nextHost(controllers []store.Controller) string {
	last := 0
	for _, c := range controllers {
		if n, err := strconv.Atoi(strings.TrimPrefix(c.Host, "dc")); err == nil {
			last = max(last, n)
		}
	}
	return "dc" + strconv.Itoa(last+1)
}

var (
	// ErrNoControllers says that the server runs no domain controllers for the directory.
	ErrNoControllers = errors.New("the server runs no domain controllers for the directory")
	// ErrAddresses says that there is no address for one more domain controller. The text around it says what to do.
	ErrAddresses = errors.New("there is no address for another domain controller")
)

// SetControllers gives a directory so many domain controllers: further ones join, the newest leave first. The rest happens
// in the background. Its errors wrap ErrNoControllers, ErrAddresses, store.ErrConflict or store.ErrUnknown.
func (w *Worker) SetControllers(ctx context.Context, record store.Directory, count int) error {
	engine, err := w.engine(record)
	if err != nil {
		return err
	}
	d, ok := engine.(deployer)
	if !ok {
		return fmt.Errorf("%w: its engine is %s", ErrNoControllers, EngineName(record))
	}
	w.placing.Lock()
	defer w.placing.Unlock()
	record.Controllers = slices.Clone(record.Controllers)
	staying, leaving := 0, 0
	for i := range record.Controllers {
		c := &record.Controllers[i]
		if c.Stage != Deleting && staying == count {
			c.Stage, c.StageReason, c.StageTime = Deleting, "", w.moment()
		}
		if c.Stage == Deleting {
			leaving++
		} else {
			staying++
		}
	}
	if err := w.extend(&record, d, count+leaving); err != nil {
		return err
	}
	return w.directories.Put(ctx, &record)
}
