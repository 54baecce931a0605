package nameserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	corp = Domain{Name: "corp.example.com", GUID: "0123ABCD-0000-4000-8000-000000000001", Host: "dc1.corp.example.com"}
	lab  = Domain{Name: "lab.corp.example.com", GUID: "0123abcd-0000-4000-8000-000000000002", Host: "dc1.lab.corp.example.com"}
	here = netip.MustParseAddr("127.0.0.1")
)

// serve runs a server on a free port until the test ends.
func serve(t *testing.T, options Options) string {
	t.Helper()
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	packets, listener := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- New(options, packets, listener).Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// listen finds a port that is free for both transports.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if packets, err := net.ListenPacket("udp", listener.Addr().String()); err == nil {
			return packets, listener
		}
		_ = listener.Close()
	}
	t.Fatal("no free port was found")
	return nil, nil
}

func only(domains ...Domain) func() []Domain { return func() []Domain { return domains } }

func exchange(t *testing.T, address, network string, question *dns.Msg) *dns.Msg {
	t.Helper()
	client := dns.Client{Net: network, Timeout: 10 * time.Second}
	answer, _, err := client.Exchange(question, address)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// said is an answer in short: its code where it is not success, the records, and behind a bar the authority's.
func said(answer *dns.Msg) []string {
	all := []string{}
	if answer.Rcode != dns.RcodeSuccess {
		all = append(all, dns.RcodeToString[answer.Rcode])
	}
	for _, record := range answer.Answer {
		all = append(all, strings.Join(strings.Fields(record.String()), " "))
	}
	for _, record := range answer.Ns {
		all = append(all, "| "+strings.Join(strings.Fields(record.String()), " "))
	}
	return all
}

func TestRecords(t *testing.T) {
	address := serve(t, Options{Domains: only(corp, lab), Ports: Ports{LDAP: 10389, Kerberos: 10088, Password: 10464}, Addresses: []netip.Addr{here, netip.MustParseAddr("2001:db8::1")}})
	const soa = "| corp.example.com. 60 IN SOA dc1.corp.example.com. hostmaster.corp.example.com. 1 900 600 86400 60"
	srv := func(name string, port int) []string {
		return []string{fmt.Sprintf("%s 600 IN SRV 0 100 %d dc1.corp.example.com.", name, port)}
	}
	for name, want := range map[string][]string{
		"A corp.example.com.":                         {"corp.example.com. 600 IN A 127.0.0.1"},
		"AAAA corp.example.com.":                      {"corp.example.com. 600 IN AAAA 2001:db8::1"},
		"A dc1.corp.example.com.":                     {"dc1.corp.example.com. 600 IN A 127.0.0.1"},
		"A gc._msdcs.corp.example.com.":               {"gc._msdcs.corp.example.com. 600 IN A 127.0.0.1"},
		"A DC1.cORP.example.COM.":                     {"DC1.cORP.example.COM. 600 IN A 127.0.0.1"},
		"NS corp.example.com.":                        {"corp.example.com. 600 IN NS dc1.corp.example.com."},
		"SOA corp.example.com.":                       {"corp.example.com. 600 IN SOA dc1.corp.example.com. hostmaster.corp.example.com. 1 900 600 86400 60"},
		"SRV _ldap._tcp.corp.example.com.":            srv("_ldap._tcp.corp.example.com.", 10389),
		"SRV _ldap._tcp.dc._msdcs.corp.example.com.":  srv("_ldap._tcp.dc._msdcs.corp.example.com.", 10389),
		"SRV _ldap._tcp.pdc._msdcs.corp.example.com.": srv("_ldap._tcp.pdc._msdcs.corp.example.com.", 10389),
		"SRV _gc._tcp.corp.example.com.":              srv("_gc._tcp.corp.example.com.", 10389),
		"SRV _kerberos._udp.corp.example.com.":        srv("_kerberos._udp.corp.example.com.", 10088),
		"SRV _kpasswd._tcp.corp.example.com.":         srv("_kpasswd._tcp.corp.example.com.", 10464),
		"SRV _ldap._tcp.Default-First-Site-Name._sites.dc._msdcs.corp.example.com.":            srv("_ldap._tcp.Default-First-Site-Name._sites.dc._msdcs.corp.example.com.", 10389),
		"SRV _kerberos._tcp.default-first-site-name._sites.corp.example.com.":                  srv("_kerberos._tcp.default-first-site-name._sites.corp.example.com.", 10088),
		"SRV _ldap._tcp.0123abcd-0000-4000-8000-000000000001.domains._msdcs.corp.example.com.": srv("_ldap._tcp.0123abcd-0000-4000-8000-000000000001.domains._msdcs.corp.example.com.", 10389),
		"A dc1.lab.corp.example.com.":     {"dc1.lab.corp.example.com. 600 IN A 127.0.0.1"},
		"TXT _kerberos.corp.example.com.": {"NXDOMAIN", soa},
		"TXT corp.example.com.":           {soa},
		"A _tcp.corp.example.com.":        {soa}, // there are names below it
		"A nobody.corp.example.com.":      {"NXDOMAIN", soa},
		"A below.dc1.corp.example.com.":   {"NXDOMAIN", soa},
		"A example.com.":                  {"REFUSED"},
		"A notcorp.example.com.":          {"REFUSED"},
		"A .":                             {"REFUSED"},
		"PTR 1.0.0.127.in-addr.arpa.":     {"REFUSED"}, // two domains: whose name is it?
		"ANY corp.example.com.":           {`corp.example.com. 600 IN HINFO "RFC8482" ""`},
		"AXFR corp.example.com.":          {"REFUSED"},
		"IXFR corp.example.com.":          {"REFUSED"},
	} {
		kind, name, _ := strings.Cut(name, " ")
		for _, network := range []string{"udp", "tcp"} {
			question := new(dns.Msg).SetQuestion(name, dns.StringToType[kind])
			answer := exchange(t, address, network, question)
			if diff := cmp.Diff(want, said(answer)); diff != "" {
				t.Errorf("%s %s over %s (-want +got):\n%s", kind, name, network, diff)
			}
			if refused := answer.Rcode == dns.RcodeRefused; answer.Authoritative == refused || answer.RecursionAvailable {
				t.Errorf("%s %s over %s: authoritative %t, recursion available %t", kind, name, network, answer.Authoritative, answer.RecursionAvailable)
			}
		}
	}
	answer := exchange(t, address, "udp", new(dns.Msg).SetQuestion("_ldap._tcp.corp.example.com.", dns.TypeSRV))
	if len(answer.Extra) != 2 {
		t.Errorf("the host's addresses do not come with it: %v", answer.Extra)
	}
}

// What a question asks for beyond names.
func TestRefused(t *testing.T) {
	address := serve(t, Options{Domains: only(corp), Addresses: []netip.Addr{here}, Ports: Ports{LDAP: 1}})
	question := func(change func(*dns.Msg)) *dns.Msg {
		m := new(dns.Msg).SetQuestion("corp.example.com.", dns.TypeSOA)
		change(m)
		return m
	}
	for name, c := range map[string]struct {
		question *dns.Msg
		code     int
	}{
		"an update":               {new(dns.Msg).SetUpdate("corp.example.com."), dns.RcodeNotImplemented},
		"a notice":                {new(dns.Msg).SetNotify("corp.example.com."), dns.RcodeNotImplemented},
		"another class":           {question(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"a later version of EDNS": {question(func(m *dns.Msg) { m.SetEdns0(4096, false); m.IsEdns0().SetVersion(1) }), dns.RcodeBadVers},
		"a service that is not here": {question(func(m *dns.Msg) {
			m.Question[0] = dns.Question{Name: "_kerberos._udp.corp.example.com.", Qtype: dns.TypeSRV, Qclass: dns.ClassINET}
		}), dns.RcodeNameError},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if answer := exchange(t, address, network, c.question); answer.Rcode != c.code {
				t.Errorf("%s over %s: %s", name, network, dns.RcodeToString[answer.Rcode])
			}
		}
	}
	if answer := exchange(t, address, "udp", new(dns.Msg).SetQuestion("1.0.0.127.in-addr.arpa.", dns.TypePTR)); len(answer.Answer) != 1 || answer.Answer[0].(*dns.PTR).Ptr != "dc1.corp.example.com." {
		t.Errorf("the name of the one domain controller's address: %v", answer)
	}
}

// An answer is no longer than the asker can take, says so where it is cut, and is whole over TCP.
func TestTruncation(t *testing.T) {
	var addresses []netip.Addr
	for i := range 100 {
		addresses = append(addresses, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	address := serve(t, Options{Domains: only(corp), Addresses: addresses})
	for _, c := range []struct {
		announced uint16
		most      int
	}{{0, dns.MinMsgSize}, {100, dns.MinMsgSize}, {1000, 1000}, {65535, maxUDP}} {
		question := new(dns.Msg).SetQuestion("corp.example.com.", dns.TypeA)
		if c.announced > 0 {
			question.SetEdns0(c.announced, true)
		}
		answer := exchange(t, address, "udp", question)
		answer.Compress = true
		if size := answer.Len(); !answer.Truncated || size > c.most {
			t.Errorf("asked for %d bytes: truncated %t, %d bytes", c.announced, answer.Truncated, size)
		}
		if (answer.IsEdns0() != nil) != (c.announced > 0) {
			t.Errorf("asked for %d bytes: %v", c.announced, answer.IsEdns0())
		}
		if answer := exchange(t, address, "tcp", question); answer.Truncated || len(answer.Answer) != len(addresses) {
			t.Errorf("over TCP: truncated %t, %d records", answer.Truncated, len(answer.Answer))
		}
	}
}

// Domains come and go while the server runs, and two of the same name are one.
func TestDomainsChange(t *testing.T) {
	var domains atomic.Pointer[[]Domain]
	domains.Store(&[]Domain{})
	address := serve(t, Options{Domains: func() []Domain { return *domains.Load() }, Addresses: []netip.Addr{here}, Ports: Ports{LDAP: 1}})
	code := func(name string) string {
		return dns.RcodeToString[exchange(t, address, "udp", new(dns.Msg).SetQuestion(name, dns.TypeSRV)).Rcode]
	}
	twin := corp
	twin.GUID = lab.GUID
	for _, step := range []struct {
		domains []Domain
		want    []string
	}{
		{nil, []string{"REFUSED", "REFUSED", "REFUSED"}},
		{[]Domain{corp}, []string{"NOERROR", "NOERROR", "NXDOMAIN"}},
		{[]Domain{corp, twin}, []string{"NOERROR", "NOERROR", "NOERROR"}},
		{[]Domain{twin}, []string{"NOERROR", "NXDOMAIN", "NOERROR"}},
	} {
		domains.Store(&step.domains)
		got := []string{code("_ldap._tcp.corp.example.com."), code("_ldap._tcp." + strings.ToLower(corp.GUID) + ".domains._msdcs.corp.example.com."), code("_ldap._tcp." + lab.GUID + ".domains._msdcs.corp.example.com.")}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", step.domains, diff)
		}
	}
}

// Other names are asked for where the operator said, for who is near.
func TestForward(t *testing.T) {
	packets, listener := listen(t)
	started := make(chan struct{})
	upstream := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		answer := new(dns.Msg).SetReply(question)
		if strings.HasPrefix(question.Question[0].Name, "fails.") {
			answer.Rcode = dns.RcodeServerFailure
		}
		answer.Answer = append(answer.Answer, &dns.A{Hdr: header(question.Question[0].Name, dns.TypeA), A: net.IPv4(192, 0, 2, 1)})
		_ = w.WriteMsg(answer)
	})}
	_ = listener.Close()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = upstream.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = upstream.Shutdown(); <-ended })
	options := Options{Domains: only(corp), Addresses: []netip.Addr{here}, Forward: netip.MustParseAddrPort(packets.LocalAddr().String()), Logger: slog.New(slog.DiscardHandler)}
	address := serve(t, options)
	ask := func(name string) []string {
		return said(exchange(t, address, "udp", new(dns.Msg).SetQuestion(name, dns.TypeA)))
	}
	if diff := cmp.Diff([]string{"www.example.org. 600 IN A 192.0.2.1"}, ask("www.example.org.")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"SERVFAIL"}, ask("fails.example.org.")); diff != "" {
		t.Error(diff)
	}
	if got := ask("nobody.corp.example.com."); got[0] != "NXDOMAIN" {
		t.Errorf("a name of our own: %v", got)
	}
	server := New(options, nil, nil)
	stranger := netip.MustParseAddr("198.51.100.7")
	if answer := server.answer("udp", stranger, new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)); answer.Rcode != dns.RcodeRefused || answer.RecursionAvailable {
		t.Errorf("a stranger gets %v", answer)
	}
	if answer := server.answer("udp", stranger, new(dns.Msg).SetQuestion("corp.example.com.", dns.TypeA)); len(answer.Answer) != 1 {
		t.Errorf("a stranger gets %v of our own", answer)
	}
}

// Peers that say nothing, half of a message or nonsense keep nobody from being answered.
func TestHostilePeers(t *testing.T) {
	address := serve(t, Options{Domains: only(corp), Addresses: []netip.Addr{here}})
	whole, err := new(dns.Msg).SetQuestion("corp.example.com.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, bytes := range [][]byte{nil, {0xff, 0xff, 1}, binary.BigEndian.AppendUint16(nil, uint16(len(whole))), {0, 1, 0}, append([]byte{0, 40}, make([]byte, 40)...)} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(bytes); err != nil {
			t.Fatal(err)
		}
	}
	datagrams, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	response := append([]byte(nil), whole...)
	response[2] |= 0x80
	for _, bytes := range [][]byte{{}, {1}, whole[:len(whole)-1], response, append([]byte(nil), make([]byte, 4000)...)} {
		if _, err := datagrams.Write(bytes); err != nil {
			t.Fatal(err)
		}
	}
	for _, network := range []string{"udp", "tcp"} {
		if answer := exchange(t, address, network, new(dns.Msg).SetQuestion("corp.example.com.", dns.TypeA)); len(answer.Answer) != 1 {
			t.Errorf("over %s: %v", network, answer)
		}
	}
}

// FuzzQuestion: whatever comes is answered with a message that can be sent, or not at all.
func FuzzQuestion(f *testing.F) {
	for _, name := range []string{"corp.example.com.", "_ldap._tcp.dc._msdcs.CORP.example.com.", "1.0.0.127.in-addr.arpa.", ".", "x.nowhere."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeAXFR} {
			packed, err := new(dns.Msg).SetQuestion(name, kind).SetEdns0(512, true).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packed)
		}
	}
	server := New(Options{Domains: only(corp, lab), Addresses: []netip.Addr{here}, Ports: Ports{1, 2, 3}, Logger: slog.New(slog.DiscardHandler)}, nil, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		question := new(dns.Msg)
		if question.Unpack(data) != nil || question.Response {
			return
		}
		for _, network := range []string{"udp", "tcp"} {
			answer := server.answer(network, here, question)
			packed, err := answer.Pack()
			if err != nil {
				t.Fatalf("%v: %v", err, answer)
			}
			if network == "udp" && len(packed) > maxUDP {
				t.Errorf("%d bytes over UDP", len(packed))
			}
			if !answer.Response || answer.Id != question.Id {
				t.Errorf("not an answer to it: %v", answer)
			}
		}
	})
}
