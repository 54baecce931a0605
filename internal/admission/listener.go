package admission

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// Listener accepts the connections that come in by a door, for an http.Server whose ConnState is the Listener's. When there
// are too many, it closes the one that has been idle for longest, or else the new one.
type Listener struct {
	net.Listener
	door       *Door
	turnedAway func(net.Addr)

	mu   sync.Mutex
	idle *list.List // of *conn, the one that has been idle for longest first
}

// Listen is a Listener; turnedAway is told of each connection that is closed at once.
func (d *Door) Listen(l net.Listener, turnedAway func(net.Addr)) *Listener {
	return &Listener{Listener: l, door: d, turnedAway: turnedAway, idle: list.New()}
}

type conn struct {
	net.Conn
	network netip.Prefix
	leave   func()
	idle    *list.Element // of the listener's; nil while it is at work
}

// Close closes the connection and makes room.
func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Accept is the next connection that may come in.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		network := Network(raw.RemoteAddr())
		for entered := l.door.Enter(network); ; entered = l.door.Enter(network) {
			if entered {
				return &conn{Conn: raw, network: network, leave: sync.OnceFunc(func() { l.door.Leave(network) })}, nil
			}
			if !l.makeRoom(network) {
				break
			}
		}
		l.turnedAway(raw.RemoteAddr())
		_ = raw.Close()
	}
}

// makeRoom closes a connection that nobody uses: one of the network if it has too many, or else anybody's.
func (l *Listener) makeRoom(network netip.Prefix) bool {
	full := l.door.full(network)
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := l.idle.Front(); at != nil; at = at.Next() {
		if c := at.Value.(*conn); !full || c.network == network {
			l.idle.Remove(at)
			c.idle = nil
			_ = c.Close()
			return true
		}
	}
	return false
}

// ConnState is told what a connection is at.
func (l *Listener) ConnState(c net.Conn, state http.ConnState) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	own, ok := c.(*conn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.idle != nil {
		l.idle.Remove(own.idle)
		own.idle = nil
	}
	if state == http.StateIdle {
		own.idle = l.idle.PushBack(own)
	}
}
