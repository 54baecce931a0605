package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const remoteDomain = "remote.example.org"

// forwarding is the input of the calls about a conditional forwarder.
func forwarding(id, domain string, addresses ...string) map[string]any {
	return of(id, "RemoteDomainName", domain, "DnsIpAddrs", addresses)
}

// TestConditionalForwarders: they are made, listed, changed and deleted, and outlive nothing but a restart.
func TestConditionalForwarders(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	shown := func(names ...string) string {
		input := of(corpID)
		if names != nil {
			input["RemoteDomainNames"] = names
		}
		var all []string
		for _, f := range call(t, home, "DescribeConditionalForwarders", input).list(t, "ConditionalForwarders") {
			if f["ReplicationScope"] != "Domain" {
				t.Errorf("ReplicationScope is %v", f["ReplicationScope"])
			}
			all = append(all, fmt.Sprintf("%v%v%v", f["RemoteDomainName"], f["DnsIpAddrs"], f["DnsIpv6Addrs"]))
		}
		return strings.Join(all, " ")
	}
	if got := shown(); got != "" {
		t.Errorf("at first: %s", got)
	}
	call(t, home, "CreateConditionalForwarder", forwarding(corpID, remoteDomain, "192.0.2.1", "192.0.2.2")).accepted(t)
	call(t, home, "CreateConditionalForwarder", of(corpID, "RemoteDomainName", "Other.example.net.", "DnsIpv6Addrs", []string{"2001:db8::1"})).accepted(t)
	const first, second = "remote.example.org[192.0.2.1 192.0.2.2]<nil>", "Other.example.net.<nil>[2001:db8::1]"
	if got := shown(); got != first+" "+second {
		t.Errorf("all: %s", got)
	}
	if got := shown("REMOTE.example.org."); got != first {
		t.Errorf("one: %s", got)
	}
	call(t, home, "UpdateConditionalForwarder", forwarding(corpID, "Remote.Example.org", "192.0.2.3")).accepted(t)
	if got := shown(remoteDomain); got != "remote.example.org[192.0.2.3]<nil>" {
		t.Errorf("updated: %s", got)
	}
	call(t, home, "CreateConditionalForwarder", forwarding(corpID, "REMOTE.example.org", "192.0.2.1")).refused(t, "EntityAlreadyExistsException", "exists already")
	call(t, home, "DeleteConditionalForwarder", of(corpID, "RemoteDomainName", "other.example.net")).accepted(t)
	for operation, input := range map[string]map[string]any{
		"DeleteConditionalForwarder":    of(corpID, "RemoteDomainName", "other.example.net"),
		"UpdateConditionalForwarder":    forwarding(corpID, "other.example.net", "192.0.2.1"),
		"DescribeConditionalForwarders": of(corpID, "RemoteDomainNames", []string{remoteDomain, "other.example.net"}),
	} {
		call(t, home, operation, input).refused(t, "EntityDoesNotExistException", "other.example.net")
	}
	for _, operation := range []string{"CreateConditionalForwarder", "UpdateConditionalForwarder", "DeleteConditionalForwarder", "DescribeConditionalForwarders"} {
		call(t, home, operation, forwarding(noID, remoteDomain, "192.0.2.1")).refused(t, "EntityDoesNotExistException", noID)
		call(t, home, operation, forwarding(labID, remoteDomain, "192.0.2.1")).refused(t, "UnsupportedOperationException", "SimpleAD")
	}
	for _, operation := range []string{"CreateConditionalForwarder", "UpdateConditionalForwarder"} {
		call(t, home, operation, forwarding(corpID, remoteDomain)).refused(t, "InvalidParameterException", "must be specified")
		call(t, home, operation, forwarding(corpID, remoteDomain, "0.0.0.0")).refused(t, "InvalidParameterException", "0.0.0.0")
		call(t, home, operation, forwarding(corpID, "corp.example.com.", "192.0.2.1")).refused(t, "InvalidParameterException", "own domain")
		call(t, home, operation, forwarding(corpID, "sub.CORP.example.com", "192.0.2.1")).refused(t, "InvalidParameterException", "within it")
		call(t, home, operation, forwarding(corpID, "one-label", "192.0.2.1")).refused(t, "InvalidParameterException", "fully qualified")
	}
	for i := range 99 {
		call(t, home, "CreateConditionalForwarder", forwarding(corpID, fmt.Sprintf("n%d.example.org", i), "192.0.2.1")).accepted(t)
	}
	call(t, home, "CreateConditionalForwarder", forwarding(corpID, "more.example.org", "192.0.2.1")).refused(t, "ClientException", "at most 100")
}

// zone is a DNS server for the remote domain, whose names all have one address.
type zone struct {
	address string
	asked   atomic.Int32
}

func serveZone(t *testing.T, listen, answer string) *zone {
	t.Helper()
	z := &zone{address: answer}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		z.asked.Add(1)
		reply := new(dns.Msg).SetReply(question)
		reply.Authoritative = true
		q := question.Question[0]
		switch {
		case q.Qtype != dns.TypeA:
		case strings.HasPrefix(q.Name, "many."):
			// More than a datagram holds.
			for i := range 100 {
				reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(198, 51, 100, byte(i))})
			}
		default:
			reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.ParseIP(answer)})
		}
		if w.LocalAddr().Network() == "udp" {
			reply.Truncate(dns.MinMsgSize)
		}
		_ = w.WriteMsg(reply)
	})
	packets, err := net.ListenPacket("udp", listen)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return z
}

// resolver is the standard library's, which asks the DNS of one address over UDP or TCP.
func resolver(network, address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort(address, "53"))
	}}
}

// looksUp is the address of a name as a directory's clients see it; "" where there is none.
func looksUp(t *testing.T, d domain, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found, err := resolver("udp", d.address).LookupIPAddr(ctx, name+".")
	if _, ours := errors.AsType[*net.DNSError](err); err != nil && !ours {
		t.Fatal(err)
	}
	if len(found) == 0 {
		return ""
	}
	return found[0].String()
}

// forwards proves at the DNS of a directory on Samba that names of another domain are asked for where its conditional forwarder
// says, from its making to its end.
func forwards(t *testing.T, call caller, id string, d domain, first, second string) {
	t.Helper()
	const host = "host." + remoteDomain
	one, two := serveZone(t, first+":53", "192.0.2.1"), serveZone(t, second+":53", "192.0.2.2")
	if got := looksUp(t, d, host); got != "" {
		t.Errorf("without a forwarder %s is %s", host, got)
	}
	call(t, home, "CreateConditionalForwarder", forwarding(id, remoteDomain, first)).accepted(t)
	await(t, "the first server's answer", func() bool { return looksUp(t, d, host) == one.address })
	if got := looksUp(t, d, "deep.below."+remoteDomain); got != one.address {
		t.Errorf("a name deep below is %q", got)
	}
	many, err := resolver("tcp", d.address).LookupIP(t.Context(), "ip4", "many."+remoteDomain+".")
	if err != nil || len(many) != 100 {
		t.Errorf("a long answer: %d addresses, %v", len(many), err)
	}
	before := one.asked.Load()
	for _, other := range []string{"not" + remoteDomain, "example.org", "www.example.net"} {
		if got := looksUp(t, d, other); got != "" {
			t.Errorf("%s is %s", other, got)
		}
	}
	if asked := one.asked.Load() - before; asked != 0 {
		t.Errorf("the server of %s was asked %d times for other names", remoteDomain, asked)
	}
	if got := looksUp(t, d, "dc1."+d.name); got != d.address {
		t.Errorf("the domain's own name is %s", got)
	}
	call(t, home, "UpdateConditionalForwarder", forwarding(id, remoteDomain, second)).accepted(t)
	await(t, "the second server's answer", func() bool { return looksUp(t, d, host) == two.address })
	// The first one is there, and says nothing.
	call(t, home, "UpdateConditionalForwarder", forwarding(id, remoteDomain, "127.82.22.99", second)).accepted(t)
	await(t, "the answer of the server that works", func() bool { return looksUp(t, d, host) == two.address })
	call(t, home, "DeleteConditionalForwarder", of(id, "RemoteDomainName", remoteDomain)).accepted(t)
	await(t, "no answer", func() bool { return looksUp(t, d, host) == "" })
}
