package forwarder_test

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"latchkey/internal/forwarder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstream is a DNS server that answers as the test says, over both transports.
func upstream(t *testing.T, answer dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	packets, listener := listen(t)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: answer}, {Listener: listener, Handler: answer}} {
		started, ended := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(ended); _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	}
	return netip.MustParseAddrPort(packets.LocalAddr().String())
}

// listen finds a port that is free for both transports.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if listener, err := net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, listener
		}
		_ = packets.Close()
	}
	t.Fatal("no free port was found")
	return nil, nil
}

// free is an address that nobody has at the moment.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	packets, listener := listen(t)
	_, _ = packets.Close(), listener.Close()
	return netip.MustParseAddrPort(packets.LocalAddr().String())
}

// says is an answer with that text.
func says(text string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, question *dns.Msg) { _ = w.WriteMsg(texts(question, text)) }
}

func texts(question *dns.Msg, all ...string) *dns.Msg {
	reply := new(dns.Msg).SetReply(question)
	for _, text := range all {
		reply.Answer = append(reply.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: question.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{text}})
	}
	return reply
}

func failsWith(code int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, question *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(question, code)) }
}

func silent(dns.ResponseWriter, *dns.Msg) {}

func serve(t *testing.T, zones ...forwarder.Zone) *forwarder.Server {
	t.Helper()
	server, err := forwarder.Listen(t.Context(), free(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	server.SetZones(zones)
	return server
}

// asks is what the server says of a name: its texts, or why there is none.
func asks(t *testing.T, server *forwarder.Server, network, name string) []string {
	t.Helper()
	reply := exchange(t, server, network, new(dns.Msg).SetQuestion(name, dns.TypeTXT))
	if reply.Rcode != dns.RcodeSuccess {
		return []string{dns.RcodeToString[reply.Rcode]}
	}
	var all []string
	for _, record := range reply.Answer {
		all = append(all, record.(*dns.TXT).Txt...)
	}
	return all
}

func exchange(t *testing.T, server *forwarder.Server, network string, question *dns.Msg) *dns.Msg {
	t.Helper()
	client := dns.Client{Net: network, Timeout: 10 * time.Second}
	reply, _, err := client.Exchange(question, server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// Each name is asked for at the servers of the smallest domain that has it, and others are refused.
func TestZones(t *testing.T) {
	one, two := upstream(t, says("one")), upstream(t, says("two"))
	server := serve(t, forwarder.Zone{Name: "Example.org", Servers: []netip.AddrPort{one}}, forwarder.Zone{Name: "sub.example.org.", Servers: []netip.AddrPort{two}})
	for name, want := range map[string]string{
		"example.org.": "one", "a.b.EXAMPLE.org.": "one", "sub.example.org.": "two", "x.SUB.example.ORG.": "two", "notsub.example.org.": "one",
		"notexample.org.": "REFUSED", "org.": "REFUSED", ".": "REFUSED", "example.org.example.com.": "REFUSED",
	} {
		for _, network := range []string{"udp", "tcp"} {
			if diff := cmp.Diff([]string{want}, asks(t, server, network, name)); diff != "" {
				t.Errorf("%s over %s:\n%s", name, network, diff)
			}
		}
	}
	server.SetZones([]forwarder.Zone{{Name: "example.org", Servers: []netip.AddrPort{two}}})
	if diff := cmp.Diff([]string{"two"}, asks(t, server, "udp", "example.org.")); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
	transfer := exchange(t, server, "tcp", new(dns.Msg).SetAxfr("example.org."))
	if transfer.Rcode != dns.RcodeRefused {
		t.Errorf("a transfer of a zone: %s", dns.RcodeToString[transfer.Rcode])
	}
}

// A server that can't, will not or does not answer, or answers something else, leaves it to the next one.
func TestNext(t *testing.T) {
	good := upstream(t, says("good"))
	for name, bad := range map[string]netip.AddrPort{
		"fails": upstream(t, failsWith(dns.RcodeServerFailure)), "refuses": upstream(t, failsWith(dns.RcodeRefused)), "is silent": upstream(t, silent), "is not there": free(t),
		"answers another question": upstream(t, func(w dns.ResponseWriter, question *dns.Msg) {
			reply := texts(question, "evil")
			reply.Question[0].Name = "evil.example.org."
			_ = w.WriteMsg(reply)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, forwarder.Zone{Name: "example.org", Servers: []netip.AddrPort{bad, good}})
			if diff := cmp.Diff([]string{"good"}, asks(t, server, "udp", "example.org.")); diff != "" {
				t.Error(diff)
			}
			server.SetZones([]forwarder.Zone{{Name: "example.org", Servers: []netip.AddrPort{bad}}})
			if diff := cmp.Diff([]string{"SERVFAIL"}, asks(t, server, "udp", "example.org.")); diff != "" {
				t.Errorf("alone:\n%s", diff)
			}
		})
	}
	server := serve(t, forwarder.Zone{Name: "example.org", Servers: []netip.AddrPort{upstream(t, failsWith(dns.RcodeNameError)), good}})
	if diff := cmp.Diff([]string{"NXDOMAIN"}, asks(t, server, "udp", "example.org.")); diff != "" {
		t.Errorf("that there is no such name is an answer:\n%s", diff)
	}
}

// What is too long for a datagram is cut, says so, and is whole over TCP.
func TestLong(t *testing.T) {
	var all []string
	for range 20 {
		all = append(all, string(make([]byte, 100)))
	}
	server := serve(t, forwarder.Zone{Name: "example.org", Servers: []netip.AddrPort{upstream(t, func(w dns.ResponseWriter, question *dns.Msg) {
		reply := texts(question, all...)
		if w.LocalAddr().Network() == "udp" {
			reply.Truncate(dns.MinMsgSize)
		}
		_ = w.WriteMsg(reply)
	})}})
	question := new(dns.Msg).SetQuestion("example.org.", dns.TypeTXT)
	if reply := exchange(t, server, "udp", question); !reply.Truncated || reply.Len() > dns.MinMsgSize {
		t.Errorf("truncated: %t, %d bytes", reply.Truncated, reply.Len())
	}
	if reply := exchange(t, server, "tcp", question); reply.Truncated || len(reply.Answer) != len(all) {
		t.Errorf("truncated: %t, %d records", reply.Truncated, len(reply.Answer))
	}
}

// Two servers that ask each other find nothing, and ask each other once.
func TestCircle(t *testing.T) {
	one, two := serve(t), serve(t)
	var asked atomic.Int32
	between := upstream(t, func(w dns.ResponseWriter, question *dns.Msg) {
		asked.Add(1)
		client := dns.Client{Timeout: 10 * time.Second}
		if reply, _, err := client.Exchange(question.Copy(), one.Addr().String()); err == nil {
			_ = w.WriteMsg(reply)
		}
	})
	one.SetZones([]forwarder.Zone{{Name: "example.org", Servers: []netip.AddrPort{two.Addr()}}})
	two.SetZones([]forwarder.Zone{{Name: "example.org", Servers: []netip.AddrPort{between}}})
	if diff := cmp.Diff([]string{"SERVFAIL"}, asks(t, one, "udp", "example.org.")); diff != "" {
		t.Error(diff)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the question went round %d times", n)
	}
}

// An address that is taken is an error, and a server that is closed gives its address back.
func TestListen(t *testing.T) {
	first, err := forwarder.Listen(t.Context(), free(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if server, err := forwarder.Listen(t.Context(), first.Addr(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error(errors.Join(errors.New("the address was taken twice"), server.Close()))
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	again, err := forwarder.Listen(t.Context(), first.Addr(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
