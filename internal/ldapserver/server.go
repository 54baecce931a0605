// Package ldapserver is LDAP v3 (RFC 4511) on the wire in front of somebody's tree. It frames and decodes requests, holds
// clients to limits, and turns what the tree answers into messages; what an entry means is the tree's affair.
package ldapserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/admission"
	"latchkey/internal/gssapi"
)

// Server serves one backend on any number of listeners.
type Server struct {
	options  Options
	log      *slog.Logger
	acceptor *gssapi.Acceptor // nil where the backend does not know Kerberos

	workers workers
	door    *admission.Door

	// running ends when operations have to stop: at Shutdown's deadline.
	running context.Context
	stop    context.CancelFunc
	buffers sync.Pool

	mu          sync.Mutex
	draining    bool
	listeners   map[io.Closer]struct{} // of connections and of packets
	connections map[*connection]struct{}
	work        sync.WaitGroup
}

// New is a server that Serve starts. It refuses options without a backend or TLS.
func New(options Options) (*Server, error) {
	if options.Backend == nil {
		return nil, errors.New("LDAP server without a backend")
	}
	if options.TLS == nil {
		return nil, errors.New("LDAP server without a TLS configuration")
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Observer == nil {
		options.Observer = unobserved{}
	}
	options.Limits = options.Limits.withDefaults()
	s := &Server{
		options:     options,
		log:         options.Logger,
		listeners:   make(map[io.Closer]struct{}),
		connections: make(map[*connection]struct{}),
		door:        admission.NewDoor(options.Limits.Connections, options.Limits.ConnectionsPerAddress),
	}
	s.running, s.stop = context.WithCancel(context.Background())
	s.workers = workers{next: make(chan func()), end: s.running.Done()}
	if kerberos, ok := options.Backend.(KerberosBackend); ok {
		s.acceptor = &gssapi.Acceptor{Keys: kerberos.Keys, Now: time.Now}
	}
	s.buffers.New = func() any { return new([]byte) }
	return s, nil
}

// Serve accepts connections until Shutdown, after which it returns nil at once, or until the listener fails for good. It
// owns the listener and closes it. ImplicitTLS makes it LDAPS: TLS from the first byte; otherwise connections begin in the
// clear and may use StartTLS.
func (s *Server) Serve(listener net.Listener, implicitTLS bool) error {
	defer listener.Close()
	if !s.enlist(listener) {
		return nil
	}
	defer s.delist(listener)
	const longest = time.Second
	pause := 5 * time.Millisecond
	for {
		raw, err := listener.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			s.begin(raw, implicitTLS)
		case s.isDraining():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("LDAP listener %s: %w", listener.Addr(), err)
		default:
			// Out of file descriptors, most likely: connections that end will free some.
			s.log.Warn("LDAP connection not accepted", "listener", listener.Addr().String(), "error", err)
			select {
			case <-time.After(pause):
			case <-s.running.Done():
			}
			pause = min(2*pause, longest)
		}
	}
}

func (s *Server) enlist(listener io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.listeners[listener] = struct{}{}
	}
	return !s.draining
}

func (s *Server) delist(listener io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, listener)
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// begin takes a connection over, or turns it away when there are too many.
func (s *Server) begin(raw net.Conn, implicitTLS bool) {
	network := admission.Network(raw.RemoteAddr())
	if !s.door.Enter(network) {
		s.turnAway(raw, implicitTLS)
		return
	}
	c := newConnection(s, raw, Peer{Loopback: isLocal(raw.RemoteAddr()), Addr: raw.RemoteAddr().String(), network: network.String()})
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		s.door.Leave(network)
		_ = raw.Close()
		return
	}
	s.connections[c] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()

	go func() {
		defer s.work.Done()
		defer s.end(c, network)
		c.serve(implicitTLS)
	}()
}

func (s *Server) turnAway(raw net.Conn, implicitTLS bool) {
	s.options.Observer.Refused(LimitConnections)
	s.log.Warn("LDAP connection turned away", "peer", raw.RemoteAddr().String())
	if !implicitTLS {
		// An empty send buffer takes a message this small without waiting.
		_ = raw.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = raw.Write(appendNotice(nil, ldap.LDAPResultBusy, "too many connections"))
	}
	_ = raw.Close()
}

func (s *Server) end(c *connection, network netip.Prefix) {
	s.door.Leave(network)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
}

// Shutdown stops accepting and reading at once, lets operations that have begun finish, and ends every connection with a
// notice of disconnection. When the context ends first, operations are cut, connections closed, and the context's error is
// returned. A server that was shut down does not serve again.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.stop()
	s.mu.Lock()
	s.draining = true
	for listener := range s.listeners {
		_ = listener.Close()
	}
	for c := range s.connections {
		c.drain()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.stop()
	s.mu.Lock()
	for c := range s.connections {
		c.cut()
	}
	s.mu.Unlock()
	// Sessions promise to return soon after their context. One that does not is left behind rather than waited for.
	const patience = time.Second
	select {
	case <-done:
	case <-time.After(patience):
		s.log.Error("LDAP operations did not stop")
	}
	return ctx.Err()
}

// isLocal says whether an address is on this machine.
func isLocal(addr net.Addr) bool {
	if addr.Network() == "unix" {
		return true
	}
	parsed, err := netip.ParseAddrPort(addr.String())
	return err == nil && parsed.Addr().Unmap().IsLoopback()
}
