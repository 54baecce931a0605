package ldapserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// rawPeer is a client that says exactly what a test wants.
type rawPeer struct {
	t testing.TB
	net.Conn
	in reader
}

func (f *fixture) raw(t *testing.T) *rawPeer {
	t.Helper()
	c, err := net.Dial("tcp", f.plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &rawPeer{t: t, Conn: c, in: reader{stream: c}}
}

func (p *rawPeer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// reply is a message from the server: its id, its operation's tag and result code.
type reply struct {
	id   int64
	tag  byte
	code int64
	body cursor
}

func (p *rawPeer) receive() (reply, error) {
	nothing := func() error { return nil }
	pdu, err := p.in.next(pace{limit: 1 << 30, idle: soon, message: soon, armed: nothing, rearm: func() error { return errIdle }})
	if err != nil {
		return reply{}, err
	}
	outer := cursor(bytes.Clone(pdu))
	p.in.done(pdu)
	content, err := outer.expect(tagSequence)
	if err != nil {
		return reply{}, err
	}
	inner := cursor(content)
	var r reply
	if r.id, err = inner.integer(tagInteger); err != nil {
		return reply{}, err
	}
	tag, body, err := inner.next()
	if err != nil {
		return reply{}, err
	}
	r.tag, r.body = tag, body
	if tag != tagSearchEntry {
		result := cursor(body)
		r.code, err = result.integer(tagEnumerated)
	}
	return r, err
}

// wantNotice expects a notice of disconnection and then the end.
func (p *rawPeer) wantNotice(code int64) {
	p.t.Helper()
	r, err := p.receive()
	if err != nil || r.id != 0 || r.tag != tagExtendedResponse || r.code != code || !bytes.Contains(r.body, []byte(noticeOfDisconnection)) {
		p.t.Errorf("reply %+v, %v, want a notice with %d", r, err, code)
	}
	p.wantEnd()
}

func (p *rawPeer) wantEnd() {
	p.t.Helper()
	if r, err := p.receive(); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(fmt.Sprint(err), "reset") {
		p.t.Errorf("connection still open: %+v, %v", r, err)
	}
}

func pdu(id int32, tag byte, body ...[]byte) []byte {
	b, whole := appendMessage(nil, id)
	b = appendOctets(b, tag, bytes.Join(body, nil))
	shut(b, whole)
	return b
}

func bindRequest(id int32, version int32, name, password string) []byte {
	return pdu(id, tagBindRequest, appendInteger(nil, tagInteger, version),
		appendText(nil, name), appendOctets(nil, tagSimple, password))
}

func searchRequest(id int32, base string, scope int32, filter []byte) []byte {
	return pdu(id, tagSearchRequest, appendText(nil, base), appendInteger(nil, tagEnumerated, scope),
		appendInteger(nil, tagEnumerated, 0), appendInteger(nil, tagInteger, 0), appendInteger(nil, tagInteger, 0),
		[]byte{tagBoolean, 1, 0}, filter, []byte{tagSequence, 0})
}

func present(name string) []byte { return appendOctets(nil, tagPresent, name) }

func TestMalformed(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	abandonNothing := pdu(3, tagAbandonRequest, []byte{9})
	cases := map[string][]byte{
		"HTTP":                   []byte("GET / HTTP/1.1\r\n\r\n"),
		"TLS on the plain port":  {0x16, 3, 1, 2, 0},
		"indefinite length":      {0x30, 0x80, 2, 1, 1, 0, 0},
		"length of five bytes":   {0x30, 0x85, 0, 0, 0, 0, 1},
		"huge length":            {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff},
		"length with the sign":   {0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		"over the limit":         {0x30, 0x82, 0x40, 0x01},
		"empty":                  {0x30, 0},
		"no operation":           {0x30, 3, 2, 1, 1},
		"id 0":                   {0x30, 5, 2, 1, 0, 0x42, 0},
		"negative id":            {0x30, 5, 2, 1, 0xff, 0x42, 0},
		"id of no bytes":         {0x30, 4, 2, 0, 0x42, 0},
		"inner length too large": {0x30, 5, 2, 1, 1, 0x63, 0x7f},
		"high tag number":        {0x30, 6, 2, 1, 1, 0x7f, 0x81, 0},
		"a response":             pdu(1, tagSearchDone),
		"bind without a body":    pdu(1, tagBindRequest),
		"search without filter":  pdu(1, tagSearchRequest, appendText(nil, ""), []byte{10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0}),
		"and behind an abandon":  append(abandonNothing, 0x31, 0),
		"controls of nothing":    append([]byte{0x30, 9, 2, 1, 1, 0x42, 0, 0xa0, 2}, 4, 0),
		"StartTLS with more": append(pdu(1, tagExtendedRequest, appendOctets(nil, tagRequestName, oidStartTLS)),
			bindRequest(2, 3, janeDN, janeSecret)...),
	}
	for name, request := range cases {
		t.Run(name, func(t *testing.T) {
			p := f.raw(t)
			p.send(request)
			p.wantNotice(ldap.LDAPResultProtocolError)
		})
	}
	f.wantLimit(t, LimitMessageSize, 2)
}

func TestRefusedRequestsLeaveTheConnection(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	deep := present("cn")
	for range maxFilterDepth {
		deep = appendOctets(nil, tagNot, deep)
	}
	long := appendOctets(nil, tagOr, bytes.Repeat([]byte{tagPresent, 1, 'a'}, maxFilterItems))
	cases := []struct {
		name    string
		request []byte
		code    int64
	}{
		{"LDAP v2", bindRequest(1, 2, janeDN, janeSecret), ldap.LDAPResultProtocolError},
		{"a password without a name", bindRequest(1, 3, "", "x"), ldap.LDAPResultInvalidCredentials},
		{"unknown scope", searchRequest(1, "", 3, present("cn")), ldap.LDAPResultProtocolError},
		{"filter too deep", searchRequest(1, "", 0, deep), ldap.LDAPResultAdminLimitExceeded},
		{"filter too long", searchRequest(1, "", 0, long), ldap.LDAPResultAdminLimitExceeded},
		{"unknown filter", searchRequest(1, "", 0, []byte{0xaa, 0}), ldap.LDAPResultProtocolError},
		{"attribute that is no name", searchRequest(1, "", 0, present("a)(b")), ldap.LDAPResultProtocolError},
		{
			"modification that does not exist", pdu(1, tagModifyRequest, appendText(nil, janeDN), appendOctets(nil, tagSequence,
				appendOctets(nil, tagSequence, append(appendInteger(nil, tagEnumerated, 7), 0x30, 5, 4, 1, 'a', 0x31, 0)))),
			ldap.LDAPResultProtocolError,
		},
		{"move to the root", pdu(1, tagModifyDNRequest, appendText(nil, janeDN), appendText(nil, "CN=J"),
			[]byte{tagBoolean, 1, 0xff, tagNewSuperior, 0}), ldap.LDAPResultUnwillingToPerform},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := f.raw(t)
			p.send(c.request)
			if r, err := p.receive(); err != nil || r.id != 1 || r.code != c.code {
				t.Errorf("reply %+v, %v, want %d", r, err, c.code)
			}
			p.send(searchRequest(2, "", 0, present("objectClass")))
			if r, err := p.receive(); err != nil || r.tag != tagSearchEntry {
				t.Errorf("afterwards: %+v, %v", r, err)
			}
		})
	}
	f.wantLimit(t, LimitFilter, 2)
}

func TestLargerMessagesOnceBound(t *testing.T) {
	f := newFixture(t, Limits{MessageBytes: 100 << 10}, nil)
	c := f.bound(t)
	modify := ldap.NewModifyRequest(janeDN, nil)
	modify.Replace("photo", []string{strings.Repeat("x", 90<<10)})
	if err := c.Modify(modify); err != nil {
		t.Error(err)
	}
	result, err := c.Search(subtree("(cn=Jane)", "photo"))
	if err != nil || len(result.Entries[0].GetAttributeValue("photo")) != 90<<10 {
		t.Errorf("read back: %v", err)
	}
	modify.Replace("photo", []string{strings.Repeat("x", 20<<10)})
	if err := c.Modify(modify); err == nil {
		t.Error("a message over the limit was taken")
	}
}

func TestSlowPeers(t *testing.T) {
	const short = 100 * time.Millisecond
	t.Run("message in pieces", func(t *testing.T) {
		p := newFixture(t, Limits{}, nil).raw(t)
		for _, b := range searchRequest(1, "", 0, present("objectClass")) {
			p.send([]byte{b})
		}
		if r, err := p.receive(); err != nil || r.tag != tagSearchEntry {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("message never finished", func(t *testing.T) {
		f := newFixture(t, Limits{Message: short}, nil)
		p := f.raw(t)
		p.send([]byte{0x30, 20, 2})
		p.wantNotice(ldap.LDAPResultProtocolError)
		f.wantLimit(t, LimitMessageTime, 1)
	})
	t.Run("never bound", func(t *testing.T) {
		p := newFixture(t, Limits{Unbound: short}, nil).raw(t)
		p.wantNotice(ldap.LDAPResultUnavailable)
	})
	t.Run("bound and idle", func(t *testing.T) {
		p := newFixture(t, Limits{Idle: short}, nil).raw(t)
		p.send(bindRequest(1, 3, janeDN, janeSecret))
		if r, err := p.receive(); err != nil || r.code != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		p.wantNotice(ldap.LDAPResultUnavailable)
	})
	t.Run("idle while an operation is at work", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var listeners []*pipes
			f := newFixture(t, Limits{Unbound: short}, func(l net.Listener) net.Listener {
				listeners = append(listeners, &pipes{Listener: l, conns: make(chan net.Conn), closed: make(chan struct{})})
				return listeners[len(listeners)-1]
			})
			p := listeners[0].dial(t)
			p.send(pdu(1, tagDelRequest, []byte("x")))
			if _, err := p.receive(); err != nil {
				t.Fatal(err)
			}
			p.send(searchRequest(2, "DC=wait", 0, present("cn")))
			<-f.tree.entered
			time.Sleep(3 * short)
			close(f.tree.release)
			if r, err := p.receive(); err != nil || r.id != 2 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	})
	t.Run("no TLS handshake", func(t *testing.T) {
		f := newFixture(t, Limits{Handshake: short}, nil)
		f.plain = f.ldaps
		f.raw(t).wantEnd()
		f.wantLimit(t, LimitHandshakeTime, 1)
	})
	t.Run("results never read", func(t *testing.T) {
		f := newFixture(t, Limits{Write: short}, nil)
		f.tree.put("CN=Big,"+rootDN, map[string][]string{"objectClass": {"user"}, "photo": {strings.Repeat("x", 32<<20)}})
		p := f.raw(t)
		p.send(bindRequest(1, 3, janeDN, janeSecret))
		p.send(searchRequest(2, "CN=Big,"+rootDN, 0, present("photo")))
		deadline := time.Now().Add(soon)
		for !strings.Contains(f.log.String(), "LDAP connection ended") {
			if time.Now().After(deadline) {
				t.Fatal("still connected")
			}
			time.Sleep(10 * time.Millisecond)
		}
		f.wantLimit(t, LimitAnswerTime, 1)
	})
}

// pipes is a listener in memory, for a bubble whose time stands still while somebody is at work.
type pipes struct {
	net.Listener

	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (p *pipes) dial(t *testing.T) *rawPeer {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	p.conns <- theirs
	return &rawPeer{t: t, Conn: ours, in: reader{stream: ours}}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Listener.Close()
}

func TestAbandon(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	p := f.raw(t)
	p.send(searchRequest(1, "DC=hang", 0, present("cn")))
	<-f.tree.entered
	p.send(pdu(2, tagAbandonRequest, []byte{77}))
	p.send(pdu(3, tagAbandonRequest, []byte{1}))
	p.send(pdu(4, tagDelRequest, []byte("x")))
	if r, err := p.receive(); err != nil || r.id != 4 {
		t.Errorf("reply %+v, %v, want only that of the operation behind", r, err)
	}
	p.send(bindRequest(5, 3, "", ""))
	if r, err := p.receive(); err != nil || r.id != 5 || f.tree.cut.Load() != 1 {
		t.Errorf("reply %+v, %v, searches cut: %d", r, err, f.tree.cut.Load())
	}
}

func TestGoneClients(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	p := f.raw(t)
	p.send(searchRequest(1, "DC=hang", 0, present("cn")))
	p.send(pdu(2, tagAddRequest, appendText(nil, "DC=wait"), []byte{tagSequence, 0}))
	<-f.tree.entered
	<-f.tree.entered
	p.send(pdu(3, tagUnbindRequest))
	close(f.tree.release)
	for err := error(nil); err == nil; {
		_, err = p.receive()
	}
	if cut, finished := f.tree.cut.Load(), f.tree.finished.Load(); cut != 1 || finished != 1 {
		t.Errorf("%d searches cut, %d updates finished", cut, finished)
	}
}

func TestTimeLimits(t *testing.T) {
	f := newFixture(t, Limits{Operation: 50 * time.Millisecond}, nil)
	p := f.raw(t)
	p.send(searchRequest(1, "DC=hang", 0, present("cn")))
	if r, err := p.receive(); err != nil || r.code != ldap.LDAPResultTimeLimitExceeded {
		t.Errorf("search: %+v, %v", r, err)
	}
	f.wantLimit(t, LimitOperationTime, 1)
	p.send(pdu(2, tagAddRequest, appendText(nil, "DC=hang"), []byte{tagSequence, 0}))
	if r, err := p.receive(); err != nil || r.code != ldap.LDAPResultUnavailable {
		t.Errorf("add: %+v, %v", r, err)
	}
}

func TestOperationsOverlap(t *testing.T) {
	f := newFixture(t, Limits{InFlight: 2}, nil)
	p := f.raw(t)
	p.send(searchRequest(1, "DC=wait", 0, present("cn")))
	p.send(pdu(2, tagDelRequest, []byte("x")))
	if r, err := p.receive(); err != nil || r.id != 2 {
		t.Errorf("the second waits for the first: %+v, %v", r, err)
	}
	p.send(searchRequest(3, "DC=wait", 0, present("cn")))
	<-f.tree.entered
	<-f.tree.entered
	p.send(searchRequest(4, "DC=wait", 0, present("cn")))
	select {
	case <-f.tree.entered:
		t.Error("three operations in flight")
	case <-time.After(50 * time.Millisecond):
	}
	close(f.tree.release)
	p.send(bindRequest(5, 3, "", ""))
	for range 3 {
		if r, err := p.receive(); err != nil || r.id == 5 {
			t.Errorf("the bind did not wait: %+v, %v", r, err)
		}
	}
	if r, err := p.receive(); err != nil || r.id != 5 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSameIDTwice(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	p := f.raw(t)
	p.send(searchRequest(1, "DC=hang", 0, present("cn")))
	p.send(searchRequest(1, "DC=hang", 0, present("cn")))
	p.wantNotice(ldap.LDAPResultProtocolError)
}

func TestConnectionLimits(t *testing.T) {
	for name, limits := range map[string]Limits{"overall": {Connections: 1}, "per address": {ConnectionsPerAddress: 1}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, limits, nil)
			first := f.raw(t)
			first.send(pdu(1, tagDelRequest, []byte("x")))
			if _, err := first.receive(); err != nil {
				t.Fatal(err)
			}
			f.raw(t).wantNotice(ldap.LDAPResultBusy)
			first.send(pdu(2, tagUnbindRequest))
			first.wantEnd()
		})
	}
}

func TestShutdown(t *testing.T) {
	t.Run("waits for what has begun", func(t *testing.T) {
		f := newFixture(t, Limits{}, nil)
		idle, busy := f.raw(t), f.raw(t)
		busy.send(searchRequest(1, "DC=wait", 0, present("cn")))
		<-f.tree.entered
		done := make(chan error, 1)
		go func() { done <- f.server.Shutdown(context.Background()) }()
		idle.wantNotice(ldap.LDAPResultUnavailable)
		close(f.tree.release)
		if r, err := busy.receive(); err != nil || r.id != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		busy.wantNotice(ldap.LDAPResultUnavailable)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("until its deadline", func(t *testing.T) {
		f := newFixture(t, Limits{}, nil)
		busy := f.raw(t)
		busy.send(pdu(1, tagAddRequest, appendText(nil, "DC=wait"), []byte{tagSequence, 0}))
		<-f.tree.entered
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := f.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || f.tree.cut.Load() != 1 {
			t.Errorf("%v, operations cut: %d", err, f.tree.cut.Load())
		}
	})
}

func TestManyClients(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	var clients sync.WaitGroup
	for range 8 {
		c := f.bound(t)
		for range 4 {
			clients.Go(func() {
				for i := range 50 {
					result, err := c.Search(subtree(fmt.Sprintf("(cn=user%02d)", i%25), "cn"))
					if err != nil || len(result.Entries) != 1 {
						t.Errorf("%v, %v", result, err)
						return
					}
				}
			})
		}
		clients.Go(func() {
			for range 10 {
				if err := c.Bind(janeDN, janeSecret); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
}
