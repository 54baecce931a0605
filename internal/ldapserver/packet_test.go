package ldapserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// locator is a tree whose rootDSE has netlogon.
type locator struct{ *fakeTree }

func (l locator) Anonymous(peer Peer) Session {
	return locatorSession{&fakeSession{tree: l.fakeTree, peer: peer}}
}

type locatorSession struct{ *fakeSession }

func (s locatorSession) Search(_ context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	entry := &ldap.Entry{}
	switch r.Filter {
	case "(NtVer=panic)":
		panic("secret in a panic")
	case "(NtVer=refused)":
		return nil, refuse(ldap.LDAPResultBusy, "")
	case "(NtVer=none)":
	default:
		entry.Attributes = append(entry.Attributes, ldap.NewEntryAttribute("netlogon", []string{"\x17\x00"}))
	}
	return &ldap.SearchResult{Entries: []*ldap.Entry{entry}}, nil
}

func equality(name, value string) []byte {
	return appendOctets(nil, tagEquality, append(appendText(nil, name), appendText(nil, value)...))
}

// locate asks for attributes of the rootDSE.
func locating(base string, scope int32, version string, attributes ...string) []byte {
	var list []byte
	for _, attribute := range attributes {
		list = appendText(list, attribute)
	}
	body := appendText(nil, base)
	body = appendInteger(body, tagEnumerated, scope)
	body = append(body, tagEnumerated, 1, 0, tagInteger, 1, 0, tagInteger, 1, 0, tagBoolean, 1, 0)
	body = append(body, equality("NtVer", version)...)
	return pdu(7, tagSearchRequest, body, appendOctets(nil, tagSequence, list))
}

func newLocator(t testing.TB) *Server {
	t.Helper()
	server, err := New(Options{Backend: locator{newFakeTree()}, TLS: &tls.Config{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func TestPackets(t *testing.T) {
	server := newLocator(t)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.ServePackets(conn) }()
	peer, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	_ = peer.SetDeadline(time.Now().Add(30 * time.Second))

	// What is not answered is sent first: an answer would come before that to the last.
	for _, packet := range [][]byte{
		{},
		{0x30},
		make([]byte, maxPacket+1),
		bindRequest(1, 3, janeDN, janeSecret), searchRequest(1, rootDN, 2, present("cn")),
		locating("", 0, "6"), locating("", 0, "6", "*"), locating("", 0, "6", "netlogon", "namingContexts"), locating("", 1, "6", "netlogon"), locating(rootDN, 0, "6", "netlogon"),
		locating("", 0, "panic", "netlogon"), locating("", 0, "refused", "netlogon"), locating("", 0, "6", "netlogon")[:20],
	} {
		if _, err := peer.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	for version, want := range map[string]string{
		"none": string(appendResult(nil, 7, tagSearchDone, outcome{}, nil, nil)),
		"6": string(appendResult(appendEntry(nil, 7, &ldap.Entry{Attributes: []*ldap.EntryAttribute{ldap.NewEntryAttribute("netlogon", []string{"\x17\x00"})}}, false),
			7, tagSearchDone, outcome{}, nil, nil)),
	} {
		if _, err := peer.Write(locating("", 0, version, "NetLogon")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1<<16)
		n, err := peer.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(answer[:n]); got != want {
			t.Errorf("%s: % x, want % x", version, got, want)
		}
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("served: %v", err)
	}
	another, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.ServePackets(another); err != nil {
		t.Errorf("after shutdown: %v", err)
	}
}

// FuzzPacket: whatever comes over UDP, what goes back is not much more.
func FuzzPacket(f *testing.F) {
	f.Add(locating("", 0, "6", "netlogon"))
	f.Add(locating("", 0, "6", "netlogon", "x"))
	f.Add(searchRequest(1, "", 0, present("netlogon")))
	server := newLocator(f)
	f.Cleanup(server.stop)
	from := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
	f.Fuzz(func(t *testing.T, packet []byte) {
		if answer := server.answerPacket(packet, from); len(answer) > 100+len(packet) {
			t.Errorf("%d bytes for %d", len(answer), len(packet))
		}
	})
}
