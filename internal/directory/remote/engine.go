// Package remote is the engine for a domain that somebody else runs: Active Directory over LDAPS, with an account that may
// do no more than it was given. It knows nothing of AWS.
package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/client"
)

// ErrNotServed says that this engine does not know the directory.
var ErrNotServed = fmt.Errorf("%w: the directory is not served here", directory.ErrUnavailable)

// Options is what an engine is made of. All but Changed are required.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time
	// Changed is called when a domain controller of the directory stops or begins to work. It must not wait.
	Changed func(id string)
}

// Engine reaches the domains that others run.
type Engine struct {
	Options
	mu      sync.Mutex
	domains map[string]*domain
}

// domain is one that is reached. It implements directory.Conn and directory.Verifier.
type domain struct {
	*client.Group
	name        string
	settings    Settings
	credentials *credentials
	logger      *slog.Logger

	stop    context.CancelFunc
	stopped chan struct{}
}

var (
	_ directory.Conn     = (*domain)(nil)
	_ directory.Verifier = (*domain)(nil)
)

// New makes an engine that reaches nothing yet.
func New(options Options) *Engine {
	if options.Changed == nil {
		options.Changed = func(string) {}
	}
	return &Engine{Options: options, domains: map[string]*domain{}}
}

// writes is how many changes are with a domain at once. Samba does one at a time; Windows several.
const writes = 4

// Serve begins to reach a domain; that it can't be reached is no error here. Serving twice with the same settings changes
// nothing, with others it replaces them.
func (e *Engine) Serve(_ context.Context, d directory.Domain, s Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	e.mu.Lock()
	former := e.domains[d.ID]
	if former != nil && former.name == d.Name && former.settings.same(s) {
		e.mu.Unlock()
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	logger := e.Logger.With("directory", d.ID)
	at := &domain{
		name: d.Name, settings: s, credentials: &credentials{settings: s, now: e.Now}, logger: logger, stop: stop, stopped: make(chan struct{}),
		Group: client.NewGroup(client.Options{Writes: writes, Logger: logger, Now: e.Now, Changed: func() { e.Changed(d.ID) }}),
	}
	// The ones that are given are known at once.
	at.SetControllers(at.controllers(s.URLs))
	e.domains[d.ID] = at
	e.mu.Unlock()
	if former != nil {
		former.close()
	}
	go at.follow(ctx)
	return nil
}

// Conn is the domain as the account sees it. The error is ErrNotServed where Serve was not called.
func (e *Engine) Conn(id string) (directory.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.domains[id]
	if at == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotServed, id)
	}
	return at, nil
}

// Health is the state of the domain's controllers, in the order in which they are asked.
func (e *Engine) Health(id string) []client.Health {
	e.mu.Lock()
	at := e.domains[id]
	e.mu.Unlock()
	if at == nil {
		return nil
	}
	return at.Health()
}

// Drop ends what Serve began.
func (e *Engine) Drop(id string) {
	e.mu.Lock()
	at := e.domains[id]
	delete(e.domains, id)
	e.mu.Unlock()
	if at != nil {
		at.close()
	}
}

// Close drops all domains.
func (e *Engine) Close() {
	e.mu.Lock()
	all := e.domains
	e.domains = map[string]*domain{}
	e.mu.Unlock()
	for _, at := range all {
		at.close()
	}
}

func (d *domain) close() {
	d.stop()
	<-d.stopped
	d.Group.Close()
}

func (d *domain) controllers(urls []string) []client.Controller {
	list := make([]client.Controller, 0, len(urls))
	for _, url := range urls {
		list = append(list, client.Controller{Name: url, Dial: func(ctx context.Context) (*ldap.Conn, error) { return d.dial(ctx, url) }})
	}
	return list
}

// dial connects and binds, within the context's time.
func (d *domain) dial(ctx context.Context, url string) (*ldap.Conn, error) {
	conn, err := Dial(ctx, url, d.settings)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetTimeout(time.Until(deadline))
	}
	if err := d.credentials.bind(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	// The group itself watches how long a request takes.
	conn.SetTimeout(0)
	return conn, nil
}

const (
	// verifyLimit is how long a domain controller may take for a login that proves a password.
	verifyLimit = 3 * time.Second
	// refreshEvery is how often the list of domain controllers is asked for, and refreshSoon how often while none works.
	refreshEvery = 5 * time.Minute
	refreshSoon  = 10 * time.Second
)

// Verify implements directory.Verifier, by a bind on each domain controller.
func (d *domain) Verify(ctx context.Context, dn string, password []byte) []directory.Verified {
	health := d.Health()
	results := make([]directory.Verified, len(health))
	var group sync.WaitGroup
	for i, h := range health {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, verifyLimit)
			defer cancel()
			results[i] = directory.Verified{Controller: h.Name, Err: d.verify(ctx, h.Name, dn, password)}
		})
	}
	group.Wait()
	return results
}

// Login implements directory.Verifier.
func (d *domain) Login(ctx context.Context, dn string, password []byte) error {
	var names []string
	for _, h := range d.Health() {
		names = append(names, h.Name)
	}
	return directory.FirstAnswer(names, func(url string) error {
		ctx, cancel := context.WithTimeout(ctx, verifyLimit)
		defer cancel()
		return d.verify(ctx, url, dn, password)
	})
}

func (d *domain) verify(ctx context.Context, url, dn string, password []byte) error {
	conn, err := Dial(ctx, url, d.settings)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	conn.SetTimeout(verifyLimit)
	return conn.Bind(dn, string(password))
}

// follow keeps the list of domain controllers current.
func (d *domain) follow(ctx context.Context) {
	defer close(d.stopped)
	if !d.settings.Discover && !d.settings.PreferPDC {
		<-ctx.Done()
		return
	}
	for {
		wait := refreshEvery
		urls, err := d.settings.Controllers(ctx, d.name)
		if err != nil && ctx.Err() == nil {
			d.logger.Warn("the domain controllers can't be discovered", "err", err)
		}
		// Those that were found once stay while there is no answer.
		if len(urls) > 0 && (err == nil || len(d.Health()) == 0) {
			d.SetControllers(d.controllers(urls))
		}
		if err != nil || !d.anyUp() {
			wait = refreshSoon
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (d *domain) anyUp() bool {
	for _, h := range d.Health() {
		if h.Up {
			return true
		}
	}
	return false
}

var errNoRecords = errors.New("there are no records of domain controllers")
