package ldapserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// writeChunk is what is handed to the network at once, and what Limits.Write is the time for.
const writeChunk = 64 << 10

// Reasons for a connection to end that are nobody's fault.
var (
	errUnbind   = errors.New("unbind")
	errDraining = errors.New("server is shutting down")
)

var errHandshake = errors.New("TLS handshake")

// connection is one client. Its goroutine reads, decodes and starts operations, each in a goroutine of its own; a bind and
// StartTLS run in the reader itself, when nothing else does, so that no operation ever sees the identity change.
type connection struct {
	server *Server
	raw    net.Conn
	in     reader
	// Only the reader touches these.
	peer        Peer
	session     Session
	bound       bool
	negotiation *negotiation // a bind that takes more steps
	layered     bool         // by SASL

	ctx      context.Context
	cancel   context.CancelFunc
	draining atomic.Bool
	slots    chan struct{}
	work     sync.WaitGroup

	mu         sync.Mutex
	operations map[int32]*operation

	writing sync.Mutex
	stream  net.Conn
	silent  bool
}

// operation is one at work.
type operation struct {
	cancel    context.CancelFunc
	abandoned atomic.Bool
}

func newConnection(s *Server, raw net.Conn, peer Peer) *connection {
	c := &connection{
		server:     s,
		raw:        raw,
		in:         reader{stream: raw},
		peer:       peer,
		slots:      make(chan struct{}, s.options.Limits.InFlight),
		operations: make(map[int32]*operation),
		stream:     raw,
	}
	c.ctx, c.cancel = context.WithCancel(s.running)
	return c
}

// drain makes the reader stop before the next message.
func (c *connection) drain() {
	c.draining.Store(true)
	_ = c.raw.SetReadDeadline(time.Unix(1, 0))
}

// cut ends the connection without any ceremony.
func (c *connection) cut() {
	c.cancel()
	_ = c.raw.Close()
}

func (c *connection) serve(implicitTLS bool) {
	defer c.cut()
	defer c.in.wipe()
	err := c.converse(implicitTLS)
	if limit := limitOf(err); limit != "" {
		c.server.options.Observer.Refused(limit)
	}
	if errors.Is(err, errDraining) {
		c.work.Wait()
	}
	// The notice goes out before anything that the end of the context makes an operation say.
	if code, text := farewell(err); code != ldap.LDAPResultSuccess {
		c.dismiss(code, text)
	}
	// Searches are for somebody who is gone now; an update that was taken is still carried out.
	c.cancel()
	c.work.Wait()
	_ = c.stream.Close()
	c.server.log.Debug("LDAP connection ended", "peer", c.peer.Addr, "reason", err.Error())
}

// farewell is the notice of disconnection that a reason calls for, 0 when none.
func farewell(err error) (code uint16, text string) {
	switch {
	case errors.Is(err, errMalformed), errors.Is(err, errTooLarge), errors.Is(err, errTooSlow):
		return ldap.LDAPResultProtocolError, err.Error()
	case errors.Is(err, errIdle), errors.Is(err, errDraining):
		return ldap.LDAPResultUnavailable, err.Error()
	}
	return ldap.LDAPResultSuccess, ""
}

// converse reads and dispatches until there is a reason to stop, which it returns.
func (c *connection) converse(implicitTLS bool) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			c.server.logPanic(c.peer.Addr, cause)
			err = errors.New("panic")
		}
	}()
	if implicitTLS {
		if err := c.secure(); err != nil {
			return err
		}
	}
	c.session = c.server.options.Backend.Anonymous(c.peer)
	for {
		pdu, err := c.in.next(c.pace())
		if err != nil {
			if c.draining.Load() {
				return errDraining
			}
			return err
		}
		m, err := decodeMessage(pdu)
		if err == nil {
			err = c.dispatch(m, pdu)
		}
		c.in.done(pdu)
		if err != nil {
			return err
		}
	}
}

func (c *connection) pace() pace {
	limits := c.server.options.Limits
	p := pace{limit: limits.UnboundMessageBytes, idle: limits.Unbound, message: limits.Message, rearm: c.rearm, armed: c.armed}
	if c.bound {
		p.limit, p.idle = limits.MessageBytes, limits.Idle
	}
	return p
}

func (c *connection) armed() error {
	if c.draining.Load() {
		return errDraining
	}
	return nil
}

// rearm lets a silent peer wait for the answers to what it asked.
func (c *connection) rearm() error {
	if err := c.armed(); err != nil {
		return err
	}
	if c.outstanding() == 0 {
		return errIdle
	}
	return nil
}

func (c *connection) outstanding() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.operations)
}

// secure puts the connection under TLS.
func (c *connection) secure() error {
	ctx, cancel := context.WithTimeout(c.ctx, c.server.options.Limits.Handshake)
	defer cancel()
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if err := c.armed(); err != nil {
		return err
	}
	secured := tls.Server(c.raw, c.server.options.TLS)
	if err := secured.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.stream = secured
	c.in.stream = secured
	c.peer.Secure, c.peer.Certificates = true, secured.ConnectionState().PeerCertificates
	return nil
}

// write sends whole messages. A peer that does not take them loses the connection.
func (c *connection) write(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.writeLocked(b)
}

func (c *connection) writeLocked(b []byte) error {
	if c.silent {
		return net.ErrClosed
	}
	for len(b) > 0 {
		n := min(len(b), writeChunk)
		_ = c.raw.SetWriteDeadline(time.Now().Add(c.server.options.Limits.Write))
		if _, err := c.stream.Write(b[:n]); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.server.options.Observer.Refused(LimitAnswerTime)
			}
			c.silent = true
			c.cut()
			return err
		}
		b = b[n:]
	}
	return nil
}

// dismiss sends the notice of disconnection, after which nothing else is sent, and gives the peer a moment to read it:
// closing a socket with unread bytes in it would make the system throw the notice away.
func (c *connection) dismiss(code uint16, text string) {
	const (
		moment = 250 * time.Millisecond
		most   = 256 << 10
	)
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.writeLocked(appendNotice(nil, code, text)) != nil {
		return
	}
	c.silent = true
	if half, ok := c.stream.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok && c.raw != c.stream {
		_ = half.CloseWrite()
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(moment))
	_, _ = io.CopyN(io.Discard, c.raw, most)
}

// logPanic says where it happened but not with what: a panic's value may hold anything.
func (s *Server) logPanic(peer string, cause any) {
	text := fmt.Sprintf("%T", cause)
	if fault, ok := cause.(runtime.Error); ok {
		text = fault.Error()
	}
	s.log.Error("LDAP connection panicked", "peer", peer, "panic", text, "stack", string(debug.Stack()))
}
