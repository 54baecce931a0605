// Package forwarder is a DNS server that asks others: the names of each domain that it is told of are asked for at that
// domain's servers, and all other names are refused. It knows nothing of AWS, nor of directories.
package forwarder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/singleflight"
)

const (
	// askLimit is for a whole question. Samba's DNS waits for two seconds.
	askLimit = 1800 * time.Millisecond
	// nextAfter is how long a server may be silent before the next one is asked as well.
	nextAfter = 400 * time.Millisecond
	// maxAsked is how many different questions are asked at a time.
	maxAsked       = 256
	maxConnections = 64
	idleLimit      = 10 * time.Second
	stopLimit      = 2 * time.Second
)

// Zone is a domain whose names, and those below it, are asked for at Servers.
type Zone struct {
	Name    string // with or without a dot at its end
	Servers []netip.AddrPort
}

// Server answers on one address, over UDP and TCP, whoever asks from this machine. It is safe for concurrent use.
type Server struct {
	address netip.Addr
	logger  *slog.Logger
	servers [2]*dns.Server
	zones   atomic.Pointer[map[string][]netip.AddrPort] // by their names in lower case, with a dot at the end
	asking  singleflight.Group
	turns   chan struct{}
}

// Listen starts a server that knows no domain yet.
func Listen(ctx context.Context, address netip.AddrPort, logger *slog.Logger) (*Server, error) {
	var config net.ListenConfig
	packets, err := config.ListenPacket(ctx, "udp", address.String())
	if err != nil {
		return nil, err
	}
	listener, err := config.Listen(ctx, "tcp", address.String())
	if err != nil {
		return nil, errors.Join(err, packets.Close())
	}
	s := &Server{address: address.Addr().Unmap(), logger: logger, turns: make(chan struct{}, maxAsked)}
	s.SetZones(nil)
	s.servers = [2]*dns.Server{
		{PacketConn: packets, Handler: s},
		{Listener: netutil.LimitListener(listener, maxConnections), Handler: s, ReadTimeout: idleLimit, WriteTimeout: idleLimit, IdleTimeout: func() time.Duration { return idleLimit }},
	}
	for _, each := range s.servers {
		started := make(chan struct{})
		failed := make(chan error, 1)
		each.NotifyStartedFunc = func() { close(started) }
		go func() {
			if err := each.ActivateAndServe(); err != nil {
				failed <- err
				logger.Error("DNS for other domains has stopped", "address", address, "err", err)
			}
		}()
		select {
		case <-started:
		case err := <-failed:
			return nil, errors.Join(err, packets.Close(), listener.Close())
		}
	}
	return s, nil
}

// Addr is where the server answers.
func (s *Server) Addr() netip.AddrPort {
	return netip.MustParseAddrPort(s.servers[0].PacketConn.LocalAddr().String())
}

// SetZones replaces the domains that the server knows.
func (s *Server) SetZones(zones []Zone) {
	known := make(map[string][]netip.AddrPort, len(zones))
	for _, zone := range zones {
		known[strings.ToLower(dns.Fqdn(zone.Name))] = zone.Servers
	}
	s.zones.Store(&known)
}

// Close stops the server.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	var errs []error
	for _, each := range s.servers {
		errs = append(errs, each.ShutdownContext(ctx))
	}
	return errors.Join(errs...)
}

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	remote, err := netip.ParseAddrPort(w.RemoteAddr().String())
	if err != nil || !s.near(remote.Addr()) {
		return // nobody elsewhere has any business here
	}
	network := w.LocalAddr().Network()
	answer := s.answer(network, question)
	answer.Id = question.Id
	if network == "udp" {
		size := dns.MinMsgSize
		if options := question.IsEdns0(); options != nil {
			size = max(size, int(options.UDPSize()))
		}
		answer.Truncate(size)
	}
	if err := w.WriteMsg(answer); err != nil {
		s.logger.Debug("a DNS answer can't be given", "err", err)
	}
}

// near says whether an address is this machine's.
func (s *Server) near(address netip.Addr) bool {
	return address.IsLoopback() || address.Unmap() == s.address
}

func (s *Server) answer(network string, question *dns.Msg) *dns.Msg {
	refused := func(code int) *dns.Msg { return new(dns.Msg).SetRcode(question, code) }
	// The library has made sure that there is exactly one.
	asked := question.Question[0]
	servers, known := s.serversFor(asked.Name)
	if !known || asked.Qclass != dns.ClassINET || asked.Qtype == dns.TypeAXFR || asked.Qtype == dns.TypeIXFR {
		return refused(dns.RcodeRefused)
	}
	// One question is asked once at a time, whoever wants to know: servers that ask each other in a circle find nothing,
	// and do no harm.
	key := fmt.Sprint(network, strings.ToLower(asked.Name), asked.Qtype, question.RecursionDesired, question.CheckingDisabled, question.IsEdns0())
	found, err, _ := s.asking.Do(key, func() (any, error) { return s.ask(network, question, servers) })
	if err != nil {
		s.logger.Debug("a name of another domain can't be found", "name", asked.Name, "servers", servers, "err", err)
		return refused(dns.RcodeServerFailure)
	}
	return found.(*dns.Msg).Copy()
}

// serversFor is those of the smallest domain that has the name.
func (s *Server) serversFor(name string) ([]netip.AddrPort, bool) {
	zones := *s.zones.Load()
	name = strings.ToLower(name)
	for at, end := 0, false; !end; at, end = dns.NextLabel(name, at) {
		if servers, ok := zones[name[at:]]; ok {
			return servers, true
		}
	}
	return nil, false
}

var errBusy = errors.New("too many questions at a time")

// ask asks the servers, each a while after the one before it or when that has failed, and takes the first answer.
func (s *Server) ask(network string, question *dns.Msg, servers []netip.AddrPort) (*dns.Msg, error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	type result struct {
		answer *dns.Msg
		err    error
	}
	results := make(chan result, len(servers))
	errs := []error{errors.New("no server has an answer")}
	for next, waiting := 0, 0; next < len(servers) || waiting > 0; {
		if next < len(servers) {
			server := servers[next]
			next, waiting = next+1, waiting+1
			group.Go(func() {
				answer, err := Exchange(ctx, network, question, server)
				results <- result{answer, err}
			})
		}
		var patience <-chan time.Time
		if next < len(servers) {
			patience = time.After(nextAfter)
		}
		select {
		case r := <-results:
			if waiting--; r.err == nil {
				return r.answer, nil
			}
			errs = append(errs, r.err)
		case <-patience:
		}
	}
	return nil, errors.Join(errs...)
}

// Exchange asks one server, over "udp" or "tcp", until the context ends. An answer that says that the server can't or will not
// answer, or that answers another question, is an error.
func Exchange(ctx context.Context, network string, question *dns.Msg, server netip.AddrPort) (*dns.Msg, error) {
	copied := question.Copy()
	copied.Id = dns.Id()
	client := dns.Client{Net: network, UDPSize: dns.MaxMsgSize}
	conn, err := client.DialContext(ctx, server.String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	answer, _, err := client.ExchangeWithConnContext(ctx, copied, conn)
	if err != nil {
		return nil, err
	}
	switch {
	case !answer.Response || len(answer.Question) != 1 || !same(answer.Question[0], copied.Question[0]):
		return nil, fmt.Errorf("%s answers another question", server)
	case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s answers %s", server, dns.RcodeToString[answer.Rcode])
	}
	return answer, nil
}

func same(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}
