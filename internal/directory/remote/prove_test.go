package remote_test

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"latchkey/internal/directory/remote"
)

// A password that is refused is not tried at the next domain controller: each try counts towards a lockout. One that can't be
// reached is passed over.
func TestProve(t *testing.T) {
	first, second := newFar(t, 5), newFar(t, 6)
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, "right")
	settings := remote.Settings{URLs: []string{"ldaps://127.0.0.1:1", first.url, second.url}, CAFile: first.ca, BindDN: serviceAccount, BindPasswordFile: file}
	sid, err := remote.Prove(t.Context(), corp, settings)
	if err != nil || sid != corp.SID {
		t.Errorf("%s %v", sid, err)
	}
	write(t, file, "wrong")
	if _, err := remote.Prove(t.Context(), corp, settings); !errors.Is(err, remote.ErrBind) || !errors.Is(err, remote.ErrUnreachable) {
		t.Errorf("%v", err)
	}
	if tried, other := first.tried(), second.tried(); len(tried) != 2 || len(other) != 0 {
		t.Errorf("tried %d and %d times", len(tried), len(other))
	}
	settings.URLs = []string{second.url}
	if _, err := remote.Prove(t.Context(), corp, settings); !errors.Is(err, remote.ErrTLS) {
		t.Errorf("a certificate of another authority: %v", err)
	}
}

// server answers questions of DNS at the address that it gives.
func server(t *testing.T, answer dns.HandlerFunc) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: conn, Handler: answer}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return conn.LocalAddr().String()
}

// Of several DNS servers the first that knows is believed; without any, those that are given are the domain controllers.
func TestResolvers(t *testing.T) {
	silent := server(t, func(dns.ResponseWriter, *dns.Msg) {})
	knows := server(t, func(w dns.ResponseWriter, question *dns.Msg) {
		answer := new(dns.Msg).SetReply(question)
		if asked := question.Question[0]; asked.Qtype == dns.TypeSRV && asked.Name == "_ldap._tcp.dc._msdcs.corp.example.com." {
			answer.Answer = []dns.RR{&dns.SRV{Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET}, Port: 389, Target: "DC1.corp.example.com."}}
		}
		_ = w.WriteMsg(answer)
	})
	refuses := server(t, func(w dns.ResponseWriter, question *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(question, dns.RcodeNameError))
	})
	settings := remote.Settings{Discover: true, Resolvers: []string{silent, refuses, knows}, Otherwise: []string{"ldaps://127.0.0.9:636"}}
	for name, want := range map[string]string{"corp.example.com": "ldaps://dc1.corp.example.com", "other.example.com": "ldaps://127.0.0.9:636"} {
		urls, err := settings.Controllers(t.Context(), name)
		if len(urls) != 1 || urls[0] != want {
			t.Errorf("%s: %v %v", name, urls, err)
		}
		if want == settings.Otherwise[0] && (err == nil || !strings.Contains(err.Error(), "on "+refuses)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
