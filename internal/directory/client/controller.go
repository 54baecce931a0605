package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// controller is one domain controller: its idle connections, and whether it is worth asking.
type controller struct {
	name  string
	group *Group

	mu       sync.Mutex
	dial     func(context.Context) (*ldap.Conn, error)
	idle     []*connection
	removed  bool      // connections that come back are closed
	readOnly time.Time // until when it is not asked for writes, as it answered one with a referral
	failures int       // in a row
	retryAt  time.Time
	trying   time.Time // until when it is left to the caller who tries it again
	err      error
	since    time.Time
}

// connection is used by one call at a time.
type connection struct {
	*ldap.Conn
	used       time.Time
	generation int
}

const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
	// stale is how long a connection may have been idle for a write to trust it unseen.
	stale = 5 * time.Second
	// readOnlyFor is how long a read-only controller is asked for no writes. It may become another one.
	readOnlyFor = 5 * time.Second
	probeLimit  = 3 * time.Second
	// lookAgain is how soon those who wait ask for what came of another caller's try.
	lookAgain = 20 * time.Millisecond
)

// ready says whether the controller may be asked: it works, or it is time to try it again, which then one caller does.
func (c *controller) ready(write bool) (ok bool, retryAt time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.group.Now()
	switch {
	case write && now.Before(c.readOnly):
		return false, c.readOnly, errReadOnly
	case c.failures == 0:
		return true, time.Time{}, nil
	case now.Before(c.trying):
		return false, now.Add(lookAgain), c.err
	case now.Before(c.retryAt):
		return false, c.retryAt, c.err
	}
	c.trying = now.Add(c.group.DialLimit)
	return true, time.Time{}, nil
}

var errReadOnly = errors.New("it is a read-only domain controller")

// take is a connection that nobody else uses.
func (c *controller) take(ctx context.Context, write bool) (*connection, error) {
	for {
		conn := c.pop()
		if conn == nil {
			break
		}
		if conn.IsClosing() {
			continue
		}
		if write && c.group.Now().Sub(conn.used) > stale && c.probe(ctx, conn) != nil {
			discard(conn)
			continue
		}
		return conn, nil
	}
	c.mu.Lock()
	dial, generation := c.dial, c.group.generation.Load()
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.group.DialLimit)
	defer cancel()
	type dialed struct {
		conn *ldap.Conn
		err  error
	}
	done := make(chan dialed, 1)
	go func() {
		conn, err := dial(ctx)
		done <- dialed{conn, err}
	}()
	select {
	case d := <-done:
		if d.err != nil {
			return nil, fmt.Errorf("connect: %w", d.err)
		}
		return &connection{d.conn, c.group.Now(), int(generation)}, nil
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				_ = d.conn.Close()
			}
		}()
		return nil, fmt.Errorf("connect: %w", ctx.Err())
	}
}

func (c *controller) pop() *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 {
		return nil
	}
	conn := c.idle[len(c.idle)-1]
	c.idle = c.idle[:len(c.idle)-1]
	return conn
}

// give takes a connection back that can be used again.
func (c *controller) give(conn *connection) {
	c.mu.Lock()
	conn.used = c.group.Now()
	keep := !c.removed && !conn.IsClosing() && int64(conn.generation) == c.group.generation.Load() && len(c.idle) < c.group.Reads+c.group.Writes
	if keep {
		c.idle = append(c.idle, conn)
	}
	c.mu.Unlock()
	if !keep {
		discard(conn)
	}
}

// discard does not wait: closing a connection whose peer hangs may take long.
func discard(conn *connection) { go func() { _ = conn.Close() }() }

// drop closes the idle connections.
func (c *controller) drop(forGood bool) {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.removed = nil, c.removed || forGood
	c.mu.Unlock()
	for _, conn := range idle {
		discard(conn)
	}
}

var rootDSE = ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"currentTime"}, nil)

// probe asks the server for a sign of life.
func (c *controller) probe(ctx context.Context, conn *connection) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	_, err := attempt(ctx, conn, func(l *ldap.Conn) (*ldap.SearchResult, error) { return l.Search(rootDSE) })
	return err
}

// works notes that the controller answers.
func (c *controller) works() {
	c.mu.Lock()
	changed := c.failures > 0 || c.since.IsZero()
	c.failures, c.err, c.trying = 0, nil, time.Time{}
	if changed {
		c.since = c.group.Now()
	}
	c.mu.Unlock()
	if changed {
		c.group.changed(c.name, nil)
	}
}

// fails notes that the controller can't be used, and says when to try it again.
func (c *controller) fails(err error) (retryAt time.Time) {
	c.mu.Lock()
	wait := min(firstRetry<<min(c.failures, 10), lastRetry)
	wait += time.Duration(rand.Int64N(int64(wait / 2))) //nolint:gosec // spreads the retries of many clients
	retryAt = c.group.Now().Add(wait)
	c.retryAt, c.trying = retryAt, time.Time{}
	changed := c.failures == 0
	if changed {
		c.since = c.group.Now()
	}
	c.failures++
	c.err = err
	c.mu.Unlock()
	// The other idle connections are as bad, or were made to a process that is gone.
	c.drop(false)
	if changed {
		c.group.changed(c.name, err)
	}
	return retryAt
}

func (c *controller) refuseWrites() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readOnly = c.group.Now().Add(readOnlyFor)
}

func (c *controller) health() Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Health{Name: c.name, Up: c.failures == 0, Err: c.err, Since: c.since}
}

// attempt runs a request on a connection until the context ends. Then the connection is closed, and its answer, should it
// still come, is not seen by anybody.
func attempt(ctx context.Context, conn *connection, run func(*ldap.Conn) (*ldap.SearchResult, error)) (*ldap.SearchResult, error) {
	type answer struct {
		out *ldap.SearchResult
		err error
	}
	done := make(chan answer, 1)
	go func() {
		out, err := run(conn.Conn)
		done <- answer{out, err}
	}()
	select {
	case a := <-done:
		return a.out, a.err
	case <-ctx.Done():
		discard(conn)
		return nil, errNoAnswer
	}
}

// errNoAnswer says that a request was sent and its answer did not come in time.
var errNoAnswer = errors.New("no answer in time")
