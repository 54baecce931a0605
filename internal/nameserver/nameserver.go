// Package nameserver is a DNS server with authority over the domains that it is told of: it says where their services are, as a
// domain controller's does. It makes no transfers and takes no updates, and asks others only if it is told whom.
package nameserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"

	"latchkey/internal/forwarder"
)

const (
	// maxUDP is the largest answer in a datagram, small enough for every path (DNS flag day 2020).
	maxUDP         = 1232
	maxConnections = 256
	idleLimit      = 10 * time.Second
	stopLimit      = 2 * time.Second
	askLimit       = 3 * time.Second
	maxAsked       = 256
)

// Options is what a server is made of.
type Options struct {
	// Domains is those that there are now. It is called for every question.
	Domains func() []Domain
	Ports   Ports
	// Addresses are the domain controllers' and the domains' own.
	Addresses []netip.Addr
	// Forward is who is asked for all other names; the zero value is nobody.
	Forward netip.AddrPort
	Logger  *slog.Logger
}

// Server answers over UDP and TCP. It is safe for concurrent use.
type Server struct {
	options Options
	servers [2]*dns.Server
	turns   chan struct{}
	known   atomic.Pointer[known]
}

// known is the zones of the domains as they were last.
type known struct {
	domains []Domain
	zones   map[string]*zone
}

// New is a server for what is sent to these two, which it closes.
func New(options Options, packets net.PacketConn, listener net.Listener) *Server {
	s := &Server{options: options, turns: make(chan struct{}, maxAsked)}
	s.servers = [2]*dns.Server{
		{PacketConn: packets, Handler: s},
		{Listener: netutil.LimitListener(listener, maxConnections), Handler: s, ReadTimeout: idleLimit, WriteTimeout: idleLimit, IdleTimeout: func() time.Duration { return idleLimit }},
	}
	return s
}

// Serve answers until the context ends, then returns nil, or until it can't any more.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, len(s.servers))
	for _, each := range s.servers {
		go func() { failed <- each.ActivateAndServe() }()
	}
	ended := 0
	var errs []error
	select {
	case err := <-failed:
		ended++
		errs = append(errs, err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	for _, each := range s.servers {
		// One that was not yet at work is stopped by its socket.
		_ = each.ShutdownContext(stopping)
	}
	_, _ = s.servers[0].PacketConn.Close(), s.servers[1].Listener.Close()
	for ; ended < len(s.servers); ended++ {
		if err := <-failed; err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	network := w.LocalAddr().Network()
	remote, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil {
		return
	}
	answer := s.answer(network, remote.Addr().Unmap(), question)
	if err := w.WriteMsg(answer); err != nil {
		s.options.Logger.Debug("a DNS answer can't be given", "err", err)
	}
}

// answer is what a question gets. The library has made sure that it is a question, and that there is one.
func (s *Server) answer(network string, from netip.Addr, question *dns.Msg) *dns.Msg {
	answer := new(dns.Msg).SetReply(question)
	answer.Compress = true
	options := question.IsEdns0()
	if len(question.Question) != 1 {
		answer.Rcode = dns.RcodeFormatError
		return answer
	}
	asked := question.Question[0]
	z := find(s.zones(), strings.ToLower(asked.Name))
	switch {
	case question.Opcode != dns.OpcodeQuery:
		answer.Rcode = dns.RcodeNotImplemented
	case options != nil && options.Version() != 0:
		answer.Rcode = dns.RcodeBadVers
	case asked.Qtype == dns.TypeAXFR || asked.Qtype == dns.TypeIXFR || asked.Qclass != dns.ClassINET:
		answer.Rcode = dns.RcodeRefused
	case z != nil:
		z.tell(answer, asked)
	case s.forwards(from) && question.RecursionDesired:
		return s.ask(network, question)
	default:
		answer.Rcode = dns.RcodeRefused
	}
	answer.RecursionAvailable = s.forwards(from)
	size := dns.MaxMsgSize
	if network == "udp" {
		size = dns.MinMsgSize
	}
	if options != nil {
		if network == "udp" {
			size = min(max(int(options.UDPSize()), dns.MinMsgSize), maxUDP)
		}
		answer.SetEdns0(maxUDP, false)
	}
	answer.Truncate(size)
	return answer
}

// zones is what there is authority over now.
func (s *Server) zones() map[string]*zone {
	domains := s.options.Domains()
	if k := s.known.Load(); k != nil && slices.Equal(k.domains, domains) {
		return k.zones
	}
	k := &known{domains, zones(domains, s.options.Ports, s.options.Addresses)}
	s.known.Store(k)
	return k.zones
}

// forwards says whether others are asked for somebody. A stranger could send answers to whom he likes.
func (s *Server) forwards(from netip.Addr) bool {
	return s.options.Forward.IsValid() && (from.IsLoopback() || from.IsPrivate() || from.IsLinkLocalUnicast())
}

// ask is what the forwarder says of a name that is not ours.
func (s *Server) ask(network string, question *dns.Msg) *dns.Msg {
	failure := new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	default:
		return failure
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	answer, err := forwarder.Exchange(ctx, network, question, s.options.Forward)
	if err != nil {
		s.options.Logger.Debug("a name can't be found", "name", question.Question[0].Name, "err", err)
		return failure
	}
	answer.Id = question.Id
	if network == "udp" {
		size := dns.MinMsgSize
		if options := question.IsEdns0(); options != nil {
			size = max(size, int(options.UDPSize()))
		}
		answer.Truncate(size)
	}
	return answer
}
