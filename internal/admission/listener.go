package admission

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
)

// The limits that a connection of a Listener may come to.
const (
	Connections = "connections" // the Door's
	HeaderSize  = "header_size" // the http.Server's MaxHeaderBytes
	HeaderTime  = "header_time" // its ReadHeaderTimeout, also for TLS to be agreed
	AnswerTime  = "answer_time" // its WriteTimeout
)

// Listener accepts the connections that come in by a door, for the http.Server that it guards. When there are too many, it closes
// the one that has been idle for longest, or else the new one.
type Listener struct {
	net.Listener
	door    *Door
	refused func(limit string, from net.Addr)

	mu   sync.Mutex
	idle *list.List // of *conn, the one that has been idle for longest first
}

// Listen is a Listener; refused is told of each connection that a limit ends.
func (d *Door) Listen(l net.Listener, refused func(limit string, from net.Addr)) *Listener {
	return &Listener{Listener: l, door: d, refused: refused, idle: list.New()}
}

type conn struct {
	net.Conn
	listener *Listener
	network  netip.Prefix
	leave    func()
	idle     *list.Element // of the listener's; nil while it is at work

	// Of the request that is being read: how many bytes have come, whether the time for it is over, and whether its header was
	// read to its end.
	size        atomic.Int64
	late, heard atomic.Bool
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.size.Add(int64(n))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.late.Store(true)
	}
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.listener.refused(AnswerTime, c.RemoteAddr())
	}
	return n, err
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
				return &conn{Conn: raw, listener: l, network: network, leave: sync.OnceFunc(func() { l.door.Leave(network) })}, nil
			}
			if !l.makeRoom(network) {
				break
			}
		}
		l.refused(Connections, raw.RemoteAddr())
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

// Guard has a server, which is not used yet, tell the listener what its connections are at.
func (l *Listener) Guard(server *http.Server) {
	type ofConn struct{}
	next := server.Handler
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, ofConn{}, own(c)) }
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Context().Value(ofConn{}).(*conn).heard.Store(true)
		next.ServeHTTP(w, r)
	})
	server.ConnState = func(c net.Conn, state http.ConnState) { l.turned(own(c), state, int64(server.MaxHeaderBytes)) }
}

// own is the listener's connection below one that the server has.
func own(c net.Conn) *conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return c.(*conn)
}

func (l *Listener) turned(c *conn, state http.ConnState, maxHeader int64) {
	l.mu.Lock()
	wasIdle := c.idle != nil
	if wasIdle {
		l.idle.Remove(c.idle)
		c.idle = nil
	}
	if state == http.StateIdle {
		c.idle = l.idle.PushBack(c)
		c.size.Store(0)
		c.late.Store(false)
		c.heard.Store(false)
	}
	l.mu.Unlock()
	// One that ends between requests, or in the middle of one, has not come to a limit of headers.
	between := wasIdle && c.size.Load() == 0
	if state != http.StateClosed || between || c.heard.Load() {
		return
	}
	switch {
	case c.late.Load():
		l.refused(HeaderTime, c.RemoteAddr())
	case c.size.Load() > maxHeader:
		l.refused(HeaderSize, c.RemoteAddr())
	}
}
