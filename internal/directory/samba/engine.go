// Package samba is the engine for domains that Latchkey itself provisions and supervises: real Samba AD domain controllers,
// administered over their privileged socket. It knows nothing of AWS.
package samba

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/directory/client"
)

var (
	// ErrNotInstalled says that the machine has no Samba. The text around it names the packages.
	ErrNotInstalled = errors.New("the domain controller of Samba is not installed")
	// ErrNotPermitted says that the process may not do what a domain controller takes. The text around it says what to grant.
	ErrNotPermitted = errors.New("this process may not run a domain controller")
	// ErrNotServed says that the directory's domain controllers are not run here.
	ErrNotServed = fmt.Errorf("%w: the directory is not served here", directory.ErrUnavailable)
)

// Options is what an engine is made of. All but Changed are required.
type Options struct {
	// Dir holds everything: a directory's domain controllers are in Dir/<directory id>/<host>.
	Dir string
	// Certificate makes or renews the certificate in a folder, for those hosts, and answers with the files' paths.
	Certificate func(folder string, hosts []string) (cert, key, ca string, err error)
	Logger      *slog.Logger
	Now         func() time.Time
	// Changed is called when a domain controller of the directory stops or begins to work. It must not wait.
	Changed func(id string)
	// Observer is who is told what happens in a directory; nil, as is its answer, is nobody.
	Observer func(id string) func(directory.SecurityEvent)
}

// Controller is a domain controller that is to be: its host name within the domain, and its address.
type Controller struct {
	Host    string
	Address netip.Addr
}

// Health is the state of a domain controller.
type Health struct {
	Controller
	Up     bool
	Reason string    // why it is not up, in an administrator's words
	Since  time.Time // when it went up or down
}

// Engine runs the domain controllers of this server.
type Engine struct {
	Options
	isolated    func() bool // whether domain controllers can have namespaces of their own
	certificate sync.Mutex  // held while one is made: all have one authority

	mu      sync.Mutex
	domains map[string]*domain
	closed  bool
}

// domain is a directory's domain controllers.
type domain struct {
	id   string
	work sync.Mutex // held by whoever changes which domain controllers there are

	mu      sync.Mutex
	group   *client.Group
	running []*running // in the order of preference
	wanted  []Controller
	abandon context.CancelFunc
	// priority is which versions and ciphers of TLS the domain controllers offer.
	priority string
}

// New makes an engine that runs nothing yet.
func New(options Options) *Engine {
	if options.Changed == nil {
		options.Changed = func(string) {}
	}
	if options.Observer == nil {
		options.Observer = func(string) func(directory.SecurityEvent) { return nil }
	}
	e := &Engine{Options: options, domains: map[string]*domain{}}
	e.isolated = sync.OnceValue(e.mayIsolate)
	return e
}

func (e *Engine) folder(id, host string) folder { return folder(filepath.Join(e.Dir, id, host)) }

// made is all domain controllers of a directory that were made to their end, by name.
func (e *Engine) made(id string) ([]Controller, error) {
	entries, err := os.ReadDir(filepath.Join(e.Dir, id))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []Controller
	for _, entry := range entries {
		if c, ok := e.folder(id, entry.Name()).made(); ok && isHost(entry.Name()) {
			all = append(all, c)
		}
	}
	return all, nil
}

// isHost says whether something in the folder of a directory belongs to a domain controller of that name. Others have a dot.
func isHost(name string) bool { return name != snapshots && !strings.Contains(name, ".") }

// domain is the directory's, which is empty when it is not served.
func (e *Engine) domain(id string) *domain {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at := e.domains[id]; at != nil {
		return at
	}
	return &domain{id: id}
}

// enter is the directory's for whoever changes it.
func (e *Engine) enter(id string) (*domain, error) {
	at := e.domain(id)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, fmt.Errorf("%w: the engine is closed", ErrNotServed)
	case e.domains[id] == nil:
		e.domains[id] = at
	}
	return e.domains[id], nil
}

// begin lets one caller change a directory's domain controllers until it calls done. The context ends with Drop.
func (e *Engine) begin(ctx context.Context, id string) (at *domain, limited context.Context, done func(), err error) {
	at, err = e.enter(id)
	if err != nil {
		return nil, nil, nil, err
	}
	at.work.Lock()
	// It may have been closed meanwhile.
	if _, err := e.enter(id); err != nil {
		at.work.Unlock()
		return nil, nil, nil, err
	}
	limited, cancel := context.WithCancel(ctx)
	at.mu.Lock()
	at.abandon = cancel
	at.mu.Unlock()
	return at, limited, func() {
		cancel()
		at.work.Unlock()
	}, nil
}

// Provision makes a domain with these controllers, the first of which is its first, and serves it. What is there already is
// left as it is, so that an interrupted run can be repeated. The password settings are those that a new directory has; the
// administrator's password is one that nobody knows. Errors wrap ErrNotInstalled or ErrNotPermitted where they are the cause.
func (e *Engine) Provision(ctx context.Context, d directory.Domain, controllers []Controller) error {
	if err := e.Available(); err != nil {
		return err
	}
	if len(controllers) == 0 {
		return errors.New("a domain needs a domain controller")
	}
	for _, c := range controllers {
		if err := e.folder(d.ID, c.Host).check(); err != nil {
			return err
		}
	}
	at, ctx, done, err := e.begin(ctx, d.ID)
	if err != nil {
		return err
	}
	defer done()
	made, err := e.made(d.ID)
	if err != nil {
		return err
	}
	if len(made) == 0 {
		if err := e.provision(ctx, d, controllers[0]); err != nil {
			return err
		}
		made = controllers[:1]
	}
	r, err := e.run(ctx, at, d, made[0], controllers[0].Address)
	if err == nil {
		err = r.ready(ctx)
	}
	if err == nil {
		err = r.folder.settle(ctx, d)
	}
	if err != nil {
		return err
	}
	return e.serve(ctx, at, d, controllers)
}

// Serve makes it so that these controllers run, and no others: what is not there yet joins, what is not wanted any more is
// demoted and removed. Serving twice changes nothing. One that does not start is tried again in the background, and is an
// error.
func (e *Engine) Serve(ctx context.Context, d directory.Domain, controllers []Controller) error {
	if err := e.Available(); err != nil {
		return err
	}
	at, ctx, done, err := e.begin(ctx, d.ID)
	if err != nil {
		return err
	}
	defer done()
	return e.serve(ctx, at, d, controllers)
}

func (e *Engine) serve(ctx context.Context, at *domain, d directory.Domain, wanted []Controller) error {
	made, err := e.made(d.ID)
	if err != nil {
		return err
	}
	if len(made) == 0 || len(wanted) == 0 {
		return fmt.Errorf("%w: no domain controller is below %s", ErrNotServed, filepath.Join(e.Dir, d.ID))
	}
	// First those that are there, also the ones that are to go: they may know of changes that the others don't.
	var errs []error
	for _, c := range made {
		if i := slices.IndexFunc(wanted, func(w Controller) bool { return w.Host == c.Host }); i >= 0 {
			c = wanted[i]
		}
		if _, err := e.run(ctx, at, d, c, first(wanted, made)); is(wanted, c.Host) {
			errs = append(errs, err)
		}
	}
	if len(at.all()) == 0 {
		return errors.Join(errs...)
	}
	at.order(wanted)
	for _, r := range at.all() {
		err := r.ready(ctx)
		if is(wanted, r.Host) {
			errs = append(errs, err)
		}
	}
	for _, c := range wanted {
		if !is(made, c.Host) {
			errs = append(errs, e.join(ctx, at, d, c, wanted))
			at.order(wanted)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return e.leave(ctx, at, d, wanted)
}

func is(list []Controller, host string) bool {
	return slices.ContainsFunc(list, func(c Controller) bool { return c.Host == host })
}

// first is the address of the domain controller at which the others look for names: the first of those that are there.
func first(wanted, made []Controller) netip.Addr {
	for _, c := range wanted {
		if is(made, c.Host) {
			return c.Address
		}
	}
	return made[0].Address
}

// role is what the configuration of a domain controller says of its domain.
func (e *Engine) role(d directory.Domain, first netip.Addr) role {
	at := e.domain(d.ID)
	at.mu.Lock()
	defer at.mu.Unlock()
	return role{domain: d, first: first, isolated: e.isolated(), priority: at.priority}
}

func (e *Engine) configure(f folder, c Controller, r role) (changed bool, err error) {
	e.certificate.Lock()
	defer e.certificate.Unlock()
	return f.configure(c, r, e.Certificate)
}

// SetPriority says which versions and ciphers of TLS the domain's controllers offer, in GnuTLS's form; "" is Samba's choice. It
// is for the next Serve, which starts those anew that have another.
func (e *Engine) SetPriority(id, priority string) {
	at, err := e.enter(id)
	if err != nil {
		return // closed
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	at.priority = priority
}

// run supervises a domain controller that is made. It does not wait for it.
func (e *Engine) run(ctx context.Context, at *domain, d directory.Domain, c Controller, first netip.Addr) (*running, error) {
	f := e.folder(d.ID, c.Host)
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := f.claimAddress(ctx, c.Address); err != nil {
		return nil, err
	}
	renew := func() (bool, error) { return e.configure(f, c, e.role(d, first)) }
	changed, err := renew()
	if err != nil {
		return nil, err
	}
	for _, r := range at.all() {
		if r.Host != c.Host {
			continue
		}
		if !changed && r.Controller == c {
			return r, nil
		}
		at.quit(r)
	}
	r := &running{
		Controller: c, folder: f, name: c.Host + "." + d.Name, isolated: e.isolated(), logger: e.Logger.With("directory", d.ID), now: e.Now, renew: renew,
	}
	r.changed = func() { e.turned(at, r) }
	r.observe = func(ctx context.Context) { f.observe(ctx, d, e.Observer) }
	r.catchUp = func(ctx context.Context) error {
		other, err := at.working(c.Host)
		if err != nil {
			return nil // nobody has anything to tell
		}
		return other.reaches(ctx, d, r)
	}
	r.supervise(changed)
	at.mu.Lock()
	at.running = append(at.running, r)
	if at.group == nil {
		at.group = client.NewGroup(client.Options{Logger: e.Logger.With("directory", d.ID), Now: e.Now})
	}
	at.arrange()
	at.mu.Unlock()
	return r, nil
}

func (at *domain) all() []*running {
	at.mu.Lock()
	defer at.mu.Unlock()
	return slices.Clone(at.running)
}

// order says which domain controllers are wanted: the client asks them, the first before the others.
func (at *domain) order(wanted []Controller) {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.wanted = wanted
	at.arrange()
}

func (at *domain) arrange() {
	place := func(r *running) int {
		if i := slices.IndexFunc(at.wanted, func(c Controller) bool { return c.Host == r.Host }); i >= 0 {
			return i
		}
		return len(at.wanted)
	}
	slices.SortStableFunc(at.running, func(a, b *running) int { return place(a) - place(b) })
	at.group.SetControllers(at.controllers())
}

// controllers is those that the client may ask: the wanted ones that work, as one that does not may have missed changes when
// it comes back; where none works, those that worked before.
func (at *domain) controllers() []client.Controller {
	var list []client.Controller
	works := slices.ContainsFunc(at.running, func(r *running) bool { return at.wants(r) && r.health().Up })
	for _, r := range at.running {
		if at.wants(r) && (r.health().Up || !works && r.hasWorked()) {
			list = append(list, client.Controller{Name: r.Host, Dial: r.folder.dial})
		}
	}
	return list
}

func (at *domain) wants(r *running) bool { return len(at.wanted) == 0 || is(at.wanted, r.Host) }

// turned is called when a domain controller stops or begins to work.
func (e *Engine) turned(at *domain, r *running) {
	at.mu.Lock()
	if at.group != nil {
		at.arrange()
		at.group.Renew(r.Host)
	}
	at.mu.Unlock()
	e.Changed(at.id)
}

// quit ends a domain controller.
func (at *domain) quit(r *running) {
	at.mu.Lock()
	at.running = slices.DeleteFunc(at.running, func(other *running) bool { return other == r })
	at.arrange()
	at.mu.Unlock()
	r.end()
}

// Conn is the domain as the system itself sees it: no access control, but every rule of the directory. It fails with
// directory.ErrUnavailable where the directory is not served here.
func (e *Engine) Conn(id string) (directory.Conn, error) {
	at := e.domain(id)
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.group == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotServed, id)
	}
	return conn{at.group, at}, nil
}

// Health is the state of the directory's domain controllers, in the order of preference.
func (e *Engine) Health(id string) []Health {
	var all []Health
	for _, r := range e.domain(id).all() {
		all = append(all, r.health())
	}
	return all
}

// Drop stops the directory's domain controllers, and whatever is being done with them.
func (e *Engine) Drop(id string) {
	at := e.domain(id)
	at.interrupt()
	at.work.Lock()
	defer at.work.Unlock()
	e.drop(at)
}

func (at *domain) interrupt() {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.abandon != nil {
		at.abandon()
	}
}

func (e *Engine) drop(at *domain) {
	at.mu.Lock()
	group, all := at.group, at.running
	at.group, at.running, at.wanted = nil, nil, nil
	at.mu.Unlock()
	if group != nil {
		group.Close()
	}
	var ending sync.WaitGroup
	for _, r := range all {
		ending.Go(r.end)
	}
	ending.Wait()
	// Also those of domain controllers that never came to run.
	entries, err := os.ReadDir(filepath.Join(e.Dir, at.id))
	for _, entry := range entries {
		if host, ok := strings.CutSuffix(entry.Name(), addressNote); ok {
			err = errors.Join(err, e.folder(at.id, host).releaseAddress(context.Background()))
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.Logger.Warn("an address can't be given back", "directory", at.id, "err", err)
	}
}

// Remove stops the directory's domain controllers and deletes all their data, and its snapshots.
func (e *Engine) Remove(ctx context.Context, id string) error {
	at := e.domain(id)
	at.interrupt()
	at.work.Lock()
	defer at.work.Unlock()
	e.drop(at)
	dir := filepath.Join(e.Dir, id)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		// A note of an address may be all that there is.
		if err := e.folder(id, strings.TrimSuffix(entry.Name(), addressNote)).remove(ctx); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// Close stops all domain controllers, for good.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	var ids []string
	for id := range e.domains {
		ids = append(ids, id)
	}
	e.mu.Unlock()
	var group sync.WaitGroup
	for _, id := range ids {
		group.Go(func() { e.Drop(id) })
	}
	group.Wait()
}
