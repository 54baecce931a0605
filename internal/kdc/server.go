package kdc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/admission"
)

// Limits bound what clients may use. A zero field stands for its default.
type Limits struct {
	// InFlight is how many requests are at work at once (256). Datagrams beyond are dropped, and connections wait.
	InFlight int
	// Connections open at once (1024), and those of them from one address, or from one /64 of IPv6 (128).
	Connections, ConnectionsPerAddress int
	// MessageBytes is the largest request over TCP (64 KiB), DatagramBytes the largest reply over UDP (1465, as AD's).
	MessageBytes, DatagramBytes int
	// Message is the time from a request's first byte over TCP to its last (10 s), Idle how long a connection may be silent (30 s),
	// Operation what an exchange may take (30 s), Write what a peer may take to accept a reply (10 s).
	Message, Idle, Operation, Write time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.InFlight, 256)
	setDefault(&l.Connections, 1024)
	setDefault(&l.ConnectionsPerAddress, 128)
	setDefault(&l.MessageBytes, 64<<10)
	setDefault(&l.DatagramBytes, 1465)
	setDefault(&l.Message, 10*time.Second)
	setDefault(&l.Idle, 30*time.Second)
	setDefault(&l.Operation, 30*time.Second)
	setDefault(&l.Write, 10*time.Second)
	return l
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Server answers for all directories of an engine.
type Server struct {
	options Options
	log     *slog.Logger
	replays replays
	slots   chan struct{}
	door    *admission.Door

	// running ends when exchanges have to stop: at Shutdown's deadline.
	running context.Context
	stop    context.CancelFunc

	mu          sync.Mutex
	draining    bool
	listeners   map[*listener]struct{}
	connections map[net.Conn]struct{}
	work        sync.WaitGroup
}

// New is a server that ServeKDC and ServePasswords start.
func New(options Options) *Server {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Observer == nil {
		options.Observer = unobserved{}
	}
	options.Limits = options.Limits.withDefaults()
	s := &Server{
		options: options, log: options.Logger, slots: make(chan struct{}, options.Limits.InFlight),
		door:      admission.NewDoor(options.Limits.Connections, options.Limits.ConnectionsPerAddress),
		listeners: map[*listener]struct{}{}, connections: map[net.Conn]struct{}{},
	}
	s.running, s.stop = context.WithCancel(context.Background())
	return s
}

// listener is an address on both transports.
type listener struct {
	udp net.PacketConn
	tcp net.Listener
}

func (l *listener) close() { _, _ = l.udp.Close(), l.tcp.Close() }

// ServeKDC answers the AS and TGS exchanges until Shutdown, after which it returns nil, or until the listener fails. It owns the
// listeners.
func (s *Server) ServeKDC(tcp net.Listener, udp net.PacketConn) error {
	return s.serve(&listener{udp, tcp}, s.Answer, s.tooBig)
}

// ServePasswords answers requests to change passwords (RFC 3244), as ServeKDC does.
func (s *Server) ServePasswords(tcp net.Listener, udp net.PacketConn) error {
	return s.serve(&listener{udp, tcp}, s.AnswerPassword, nil)
}

// tooBig makes a client that has asked over UDP ask over TCP (RFC 4120 section 7.2.1).
func (s *Server) tooBig(message []byte) []byte {
	r, err := decodeRequest(message)
	if err != nil {
		return nil
	}
	return s.refusalMessage(r, refuse(errorcode.KRB_ERR_RESPONSE_TOO_BIG, "ask over TCP"))
}

func (s *Server) serve(l *listener, answer handler, tooBig func([]byte) []byte) error {
	defer l.close()
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	var errs [2]error
	var both sync.WaitGroup
	// Each that ends takes the other one with it.
	both.Go(func() { errs[0] = s.serveUDP(l.udp, answer, tooBig); l.close() })
	both.Go(func() { errs[1] = s.serveTCP(l.tcp, answer); l.close() })
	both.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	if s.draining {
		return nil
	}
	return errors.Join(errs[:]...)
}

// begin counts work that Shutdown waits for.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.work.Add(1)
	return true
}

func (s *Server) serveUDP(conn net.PacketConn, answer handler, tooBig func([]byte) []byte) error {
	bound := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	buffer := make([]byte, 64<<10)
	for {
		n, peer, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			s.log.Debug("KDC datagram not read", "err", err) // an earlier reply has reached nobody
			continue
		}
		select {
		case s.slots <- struct{}{}:
		default:
			s.options.Observer.Refused(LimitRequests)
			continue // the client asks again
		}
		if !s.begin() {
			<-s.slots
			return net.ErrClosed
		}
		message := append([]byte(nil), buffer[:n]...)
		go func() {
			defer s.work.Done()
			defer func() { <-s.slots }()
			reply := s.answer(answer, message, Peer{admission.Network(peer), localFor(bound, peer)})
			if tooBig != nil && len(reply) > s.options.Limits.DatagramBytes {
				reply = tooBig(message)
			}
			if len(reply) > 0 {
				_, _ = conn.WriteTo(reply, peer)
			}
		}()
	}
}

func (s *Server) answer(answer handler, message []byte, peer Peer) []byte {
	ctx, cancel := context.WithTimeout(s.running, s.options.Limits.Operation)
	defer cancel()
	return answer(ctx, message, peer)
}

// localFor is the address that a datagram of that peer has come to.
func localFor(bound netip.Addr, peer net.Addr) netip.Addr {
	if !bound.IsUnspecified() {
		return bound
	}
	// The system knows the way back; nothing is sent.
	probe, err := net.Dial("udp", peer.String())
	if err != nil {
		return bound
	}
	defer func() { _ = probe.Close() }()
	return probe.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

func (s *Server) serveTCP(listener net.Listener, answer handler) error {
	const longest = time.Second
	pause := 5 * time.Millisecond
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			s.accept(conn, answer)
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			// Out of file descriptors, most likely: connections that end will free some.
			s.log.Warn("KDC connection not accepted", "err", err)
			select {
			case <-time.After(pause):
			case <-s.running.Done():
			}
			pause = min(2*pause, longest)
		}
	}
}

// accept takes a connection over, or closes it when there are too many.
func (s *Server) accept(conn net.Conn, answer handler) {
	network := admission.Network(conn.RemoteAddr())
	if !s.door.Enter(network) {
		s.options.Observer.Refused(LimitConnections)
		_ = conn.Close()
		return
	}
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		s.door.Leave(network)
		_ = conn.Close()
		return
	}
	s.connections[conn] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.work.Done()
		defer s.end(conn, network)
		err := s.converse(conn, answer)
		s.log.Debug("KDC connection ended", "peer", conn.RemoteAddr().String(), "reason", err)
	}()
}

func (s *Server) end(conn net.Conn, network netip.Prefix) {
	_ = conn.Close()
	s.door.Leave(network)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, conn)
}

// converse answers what comes over a connection, each message after its length (RFC 4120 section 7.2.2).
func (s *Server) converse(conn net.Conn, answer handler) error {
	limits := s.options.Limits
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return err
	}
	for {
		message, err := s.read(conn)
		if err != nil {
			return err
		}
		select {
		case s.slots <- struct{}{}:
		case <-s.running.Done():
			return s.running.Err()
		}
		reply := s.answer(answer, message, Peer{admission.Network(conn.RemoteAddr()), local.Addr().Unmap()})
		<-s.slots
		if len(reply) == 0 {
			return errMalformed
		}
		_ = conn.SetWriteDeadline(time.Now().Add(limits.Write))
		if err := s.limited(write(conn, reply), LimitAnswerTime); err != nil {
			return err
		}
	}
}

func (s *Server) read(conn net.Conn) ([]byte, error) {
	limits := s.options.Limits
	if !s.await(conn, limits.Idle) {
		return nil, net.ErrClosed
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > uint32(limits.MessageBytes) {
		s.options.Observer.Refused(LimitMessageSize)
		message := s.refusalOf(types.PrincipalName{}, "", refuse(errorcode.KRB_ERR_FIELD_TOOLONG, "the message is too long"))
		if reply, err := message.Marshal(); err == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(limits.Write))
			_ = write(conn, reply)
		}
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	if !s.await(conn, limits.Message) {
		return nil, net.ErrClosed
	}
	message := make([]byte, size)
	_, err := io.ReadFull(conn, message)
	return message, s.limited(err, LimitMessageTime)
}

// await gives the peer so much time for what it sends next, but none once the server is to end.
func (s *Server) await(conn net.Conn, limit time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		_ = conn.SetReadDeadline(time.Now().Add(limit))
	}
	return !s.draining
}

// limited is an error of a connection, of which the observer is told where it is that the limit's time is over.
func (s *Server) limited(err error, limit string) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.options.Observer.Refused(limit)
	}
	return err
}

func write(conn net.Conn, reply []byte) error {
	framed := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(reply)), uint32(len(reply)))
	_, err := conn.Write(append(framed, reply...))
	return err
}

// Shutdown stops listening and reading at once, and lets exchanges that have begun finish. When the context ends first, they are
// cut, and the context's error is returned. A server that was shut down does not serve again.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.stop()
	s.mu.Lock()
	s.draining = true
	for l := range s.listeners {
		l.close()
	}
	for conn := range s.connections {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
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
	defer s.mu.Unlock()
	for conn := range s.connections {
		_ = conn.Close()
	}
	return ctx.Err()
}
