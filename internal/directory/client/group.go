// Package client asks the domain controllers of one domain over pooled LDAP connections. It is a directory.Conn: it finds
// a controller that works, leaves a dead or hung one alone for a while, keeps the order of those who wait, and says
// honestly when nobody knows whether a write happened.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// Controller is a domain controller to ask.
type Controller struct {
	// Name tells it from the others.
	Name string
	// Dial connects, and binds if it must.
	Dial func(ctx context.Context) (*ldap.Conn, error)
}

// Options is what a group is made of. Zero limits stand for their defaults.
type Options struct {
	// Reads and Writes are how many requests are with the domain at once (8 and 1). Samba writes one at a time: more of them
	// would only queue there, where no deadline takes them out.
	Reads, Writes int
	// Waiting is how many more calls of each kind may wait for their turn (1024).
	Waiting int
	// ReadLimit and WriteLimit are how long a controller may take for an answer before it counts as hung (5 s, 5 s).
	ReadLimit, WriteLimit time.Duration
	// DialLimit is the time for connecting, TLS and bind (4 s).
	DialLimit time.Duration
	// Patience is how long a call waits for any controller to work again before it fails (2 s).
	Patience time.Duration
	// Probe is how often each controller is asked for a sign of life (2 s).
	Probe  time.Duration
	Logger *slog.Logger
	Now    func() time.Time
	// Changed is called when a controller stops or begins to work. It must not wait. Nil is nobody.
	Changed func()
}

func (o Options) withDefaults() Options {
	setDefault(&o.Reads, 8)
	setDefault(&o.Writes, 1)
	setDefault(&o.Waiting, 1024)
	setDefault(&o.ReadLimit, 5*time.Second)
	setDefault(&o.WriteLimit, 5*time.Second)
	setDefault(&o.DialLimit, 4*time.Second)
	setDefault(&o.Patience, 2*time.Second)
	setDefault(&o.Probe, 2*time.Second)
	if o.Changed == nil {
		o.Changed = func() {}
	}
	return o
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Group is the domain controllers of a domain. It implements directory.Conn.
type Group struct {
	Options
	reads, writes turns
	pages         pages
	// generation rises when idle connections are not to be used any more.
	generation atomic.Int64

	mu          sync.Mutex
	controllers []*controller

	stop    context.CancelFunc
	stopped chan struct{}
}

var _ directory.Conn = (*Group)(nil)

// NewGroup makes a group without controllers.
func NewGroup(options Options) *Group {
	ctx, stop := context.WithCancel(context.Background())
	g := &Group{Options: options.withDefaults(), stop: stop, stopped: make(chan struct{})}
	g.reads = turns{free: g.Reads, limit: g.Waiting}
	g.writes = turns{free: g.Writes, limit: g.Waiting}
	go g.watch(ctx)
	return g
}

// Close ends all connections. A call that is under way may fail.
func (g *Group) Close() {
	g.stop()
	<-g.stopped
	g.pages.close()
	for _, c := range g.all() {
		c.drop(true)
	}
}

// SetControllers says whom to ask, in the order of preference. One that was there keeps what is known of it.
func (g *Group) SetControllers(wanted []Controller) {
	g.mu.Lock()
	former := g.controllers
	g.controllers = nil
	for _, w := range wanted {
		at := slices.IndexFunc(former, func(c *controller) bool { return c.name == w.Name })
		if at < 0 {
			g.controllers = append(g.controllers, &controller{name: w.Name, group: g, dial: w.Dial})
			continue
		}
		former[at].mu.Lock()
		former[at].dial = w.Dial
		former[at].mu.Unlock()
		g.controllers = append(g.controllers, former[at])
	}
	current := g.controllers
	g.mu.Unlock()
	for _, c := range former {
		if !slices.Contains(current, c) {
			c.drop(true)
		}
	}
}

// Renew forgets what is known of a controller, which has stopped or come back: it is asked again at once, over new connections.
func (g *Group) Renew(name string) {
	g.mu.Lock()
	var former *controller
	if at := slices.IndexFunc(g.controllers, func(c *controller) bool { return c.name == name }); at >= 0 {
		former = g.controllers[at]
		g.controllers = slices.Clone(g.controllers)
		former.mu.Lock()
		g.controllers[at] = &controller{name: name, group: g, dial: former.dial}
		former.mu.Unlock()
	}
	g.mu.Unlock()
	if former != nil {
		former.drop(true)
	}
}

// Reset lets no connection be used again that is there now.
func (g *Group) Reset() {
	g.generation.Add(1)
	for _, c := range g.all() {
		c.drop(false)
	}
}

func (g *Group) all() []*controller {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.controllers)
}

// Health is the state of one controller.
type Health struct {
	Name  string
	Up    bool
	Err   error     // why it is not up
	Since time.Time // zero before it was asked for the first time
}

// Health is the state of each controller, in the order of preference.
func (g *Group) Health() []Health {
	var all []Health
	for _, c := range g.all() {
		all = append(all, c.health())
	}
	return all
}

func (g *Group) changed(name string, err error) {
	if err != nil {
		g.Logger.Warn("a domain controller does not work", "controller", name, "err", err)
	} else {
		g.Logger.Info("a domain controller works", "controller", name)
	}
	g.Changed()
}

// watch asks each controller for a sign of life, so that one that hangs or works again is known before somebody needs it.
func (g *Group) watch(ctx context.Context) {
	defer close(g.stopped)
	ticker := time.NewTicker(g.Probe)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		var group sync.WaitGroup
		for _, c := range g.all() {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, g.DialLimit)
				defer cancel()
				g.look(ctx, c)
			})
		}
		group.Wait()
		g.pages.expire(g.Now())
	}
}

func (g *Group) look(ctx context.Context, c *controller) {
	if ok, _, err := c.ready(false); !ok || err != nil {
		return
	}
	conn, err := c.take(ctx, false)
	if err == nil {
		if err = c.probe(ctx, conn); err == nil {
			c.works()
			c.give(conn)
			return
		}
		discard(conn)
	}
	if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.fails(err)
	}
}

// Search implements directory.Conn. A page that follows another is asked of the connection that gave the first.
func (g *Group) Search(ctx context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	paging, _ := ldap.FindControl(request.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	run := func(conn *ldap.Conn) (*ldap.SearchResult, error) { return conn.Search(request) }
	if paging == nil {
		return g.do(ctx, false, nil, run)
	}
	var held *held
	if len(paging.Cookie) > 0 {
		if held = g.pages.take(paging.Cookie); held == nil {
			return nil, &ldap.Error{ResultCode: ldap.LDAPResultUnwillingToPerform, Err: errors.New("the connection that the cookie belongs to is gone")}
		}
	}
	return g.do(ctx, false, held, run)
}

// Add implements directory.Conn.
func (g *Group) Add(ctx context.Context, request *ldap.AddRequest) error {
	return g.write(ctx, func(conn *ldap.Conn) error { return conn.Add(request) })
}

// Modify implements directory.Conn.
func (g *Group) Modify(ctx context.Context, request *ldap.ModifyRequest) error {
	return g.write(ctx, func(conn *ldap.Conn) error { return conn.Modify(request) })
}

// ModifyDN implements directory.Conn.
func (g *Group) ModifyDN(ctx context.Context, request *ldap.ModifyDNRequest) error {
	return g.write(ctx, func(conn *ldap.Conn) error { return conn.ModifyDN(request) })
}

// Delete implements directory.Conn.
func (g *Group) Delete(ctx context.Context, request *ldap.DelRequest) error {
	return g.write(ctx, func(conn *ldap.Conn) error { return conn.Del(request) })
}

func (g *Group) write(ctx context.Context, run func(*ldap.Conn) error) error {
	_, err := g.do(ctx, true, nil, func(conn *ldap.Conn) (*ldap.SearchResult, error) { return nil, run(conn) })
	return err
}

// do has a request answered by the first controller that works. What certainly did not happen, and what changes nothing,
// is asked of the next one.
func (g *Group) do(ctx context.Context, write bool, held *held, run func(*ldap.Conn) (*ldap.SearchResult, error)) (*ldap.SearchResult, error) {
	turns, limit := &g.reads, g.ReadLimit
	if write {
		turns, limit = &g.writes, g.WriteLimit
	}
	if err := turns.enter(ctx); err != nil {
		if held != nil {
			discard(held.conn)
		}
		return nil, fmt.Errorf("%w: waiting for a turn: %w", directory.ErrUnavailable, err)
	}
	defer turns.leave()
	if held != nil {
		result, _, err := g.once(ctx, held.controller, held.conn, write, limit, run)
		return result, err
	}
	patience := g.Now().Add(g.Patience)
	for {
		var reasons []string
		var retryAt time.Time
		for _, c := range g.all() {
			ok, at, err := c.ready(write)
			var conn *connection
			if ok {
				if conn, err = c.take(ctx, write); err != nil && ctx.Err() == nil {
					at = c.fails(err)
				}
			}
			if err != nil {
				reasons = append(reasons, c.name+": "+err.Error())
				if !at.IsZero() && (retryAt.IsZero() || at.Before(retryAt)) {
					retryAt = at
				}
				continue
			}
			result, next, err := g.once(ctx, c, conn, write, limit, run)
			if !next {
				return result, err
			}
			reasons = append(reasons, c.name+": "+err.Error())
		}
		if len(reasons) == 0 {
			reasons = []string{"no domain controller is known"}
		}
		err := fmt.Errorf("%w: %s", directory.ErrUnavailable, strings.Join(reasons, "; "))
		if retryAt.IsZero() || retryAt.After(patience) {
			return nil, err
		}
		select {
		case <-time.After(retryAt.Sub(g.Now())):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// once asks one controller. next says that another one may be asked the same.
func (g *Group) once(ctx context.Context, c *controller, conn *connection, write bool, limit time.Duration, run func(*ldap.Conn) (*ldap.SearchResult, error)) (result *ldap.SearchResult, next bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result, err = attempt(limited, conn, run)
	var answer *ldap.Error
	refused := errors.As(err, &answer) && answer.ResultCode < ldap.ErrorNetwork
	switch {
	case err == nil || refused:
		c.works()
		if cookie := nextPage(result); err == nil && cookie != nil {
			g.pages.hold(cookie, &held{c, conn, g.Now()})
			return result, false, nil
		}
		c.give(conn)
		if !refused {
			return result, false, nil
		}
		switch answer.ResultCode {
		case ldap.LDAPResultReferral:
			if write {
				c.refuseWrites()
			}
			return nil, true, err
		case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
			return nil, true, err
		}
		return result, false, err
	case errors.As(err, &answer) && answer.ResultCode != ldap.ErrorNetwork && answer.ResultCode != ldap.ErrorUnexpectedMessage && answer.ResultCode != ldap.ErrorUnexpectedResponse:
		// The request itself is malformed, and was not sent.
		c.give(conn)
		return nil, false, err
	}
	discard(conn)
	// A caller whose own time is over says nothing about the controller.
	if ctx.Err() == nil {
		c.fails(err)
	}
	if write {
		return nil, false, fmt.Errorf("%w: %w: %s: %w", directory.ErrOutcomeUnknown, directory.ErrUnavailable, c.name, err)
	}
	if ctx.Err() != nil {
		return nil, false, fmt.Errorf("%w: %s: %w", directory.ErrUnavailable, c.name, ctx.Err())
	}
	return nil, true, err
}
