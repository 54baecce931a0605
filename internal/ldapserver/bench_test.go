package ldapserver

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// stillTree answers one entry at once: what is measured is the server, not a tree.
type stillTree struct{ *fakeSession }

func (s stillTree) Anonymous(Peer) Session { return s }

func (s stillTree) Bind(context.Context, Peer, string, []byte) (Session, error) { return s, nil }

func (s stillTree) Search(context.Context, *ldap.SearchRequest) (*ldap.SearchResult, error) {
	entry := &ldap.Entry{DN: janeDN, Attributes: []*ldap.EntryAttribute{
		{Name: "cn", Values: []string{"Jane"}},
		{Name: "mail", Values: []string{"jane@example.com"}},
		{Name: "objectClass", Values: []string{"top", "person", "organizationalPerson", "user"}},
	}}
	return &ldap.SearchResult{Entries: []*ldap.Entry{entry}}, nil
}

// BenchmarkSearch is one search at a time on one connection, with a client that costs next to nothing.
func BenchmarkSearch(b *testing.B) {
	server, err := New(Options{Backend: stillTree{}, TLS: &tls.Config{}})
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(listener, false) }()
	defer func() { _ = server.Shutdown(context.Background()) }()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	nothing := func() error { return nil }
	in := reader{stream: client}
	p := pace{limit: 1 << 20, idle: time.Minute, message: time.Minute, armed: nothing, rearm: nothing}
	request := searchRequest(1, rootDN, 2, appendOctets(nil, tagEquality, []byte{4, 2, 'c', 'n', 4, 4, 'J', 'a', 'n', 'e'}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(request); err != nil {
			b.Fatal(err)
		}
		for range 2 {
			message, err := in.next(p)
			if err != nil {
				b.Fatal(err)
			}
			in.done(message)
		}
	}
}
