package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/certificate"
	"latchkey/internal/directory"
	"latchkey/internal/directory/client"
	"latchkey/internal/ldapserver"
)

// fake is a domain controller that answers as the test says.
type fake struct {
	name   string
	server *ldapserver.Server
	address,
	certificates string

	listener net.Listener

	mu     sync.Mutex
	answer func(ctx context.Context, operation string) error
	asked  map[string]int
	dials  atomic.Int32
	order  []string // DNs of the writes
}

func newFake(t *testing.T, name string) *fake {
	t.Helper()
	f := &fake{name: name, asked: map[string]int{}, certificates: t.TempDir(), address: "127.0.0.1:0"}
	f.answers(nil)
	f.start(t)
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fake) start(t *testing.T) {
	t.Helper()
	own, _, err := certificate.Load(f.certificates, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if f.server, err = ldapserver.New(ldapserver.Options{Backend: f, TLS: certificate.Config(own)}); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	f.address, f.listener = listener.Addr().String(), listener
	go func() { _ = f.server.Serve(listener, false) }()
}

// stop ends the server and its connections at once.
func (f *fake) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = f.listener.Close() // the server may not have begun with it
	_ = f.server.Shutdown(ctx)
}

// answers says what every operation but the sign of life comes to; nil is a success.
func (f *fake) answers(answer func(ctx context.Context, operation string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer == nil {
		answer = func(context.Context, string) error { return nil }
	}
	f.answer = answer
}

func (f *fake) count(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[operation]
}

func (f *fake) controller() client.Controller {
	return client.Controller{Name: f.name, Dial: func(ctx context.Context) (*ldap.Conn, error) {
		f.dials.Add(1)
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", f.address)
		if err != nil {
			return nil, err
		}
		l := ldap.NewConn(conn, false)
		l.Start()
		return l, nil
	}}
}

func (f *fake) Anonymous(ldapserver.Peer) ldapserver.Session { return session{f} }

func (f *fake) Bind(context.Context, ldapserver.Peer, string, []byte) (ldapserver.Session, error) {
	return session{f}, nil
}

type session struct{ *fake }

func (s session) run(ctx context.Context, operation, dn string) error {
	s.mu.Lock()
	s.asked[operation]++
	if operation != "search" {
		s.order = append(s.order, dn)
	}
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx, operation)
}

func (s session) Search(ctx context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	result := &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry("CN="+s.name, map[string][]string{"cn": {s.name}})}}
	if r.BaseDN == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked["probe"]++
		return result, nil
	}
	if err := s.run(ctx, "search", r.BaseDN); err != nil {
		return nil, err
	}
	if paging, ok := ldap.FindControl(r.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
		next := ldap.NewControlPaging(0)
		if len(paging.Cookie) == 0 {
			next.SetCookie([]byte("of " + s.name))
		} else if string(paging.Cookie) != "of "+s.name {
			return nil, &ldap.Error{ResultCode: ldap.LDAPResultUnwillingToPerform, Err: errors.New("another's cookie")}
		}
		result.Controls = []ldap.Control{next}
	}
	return result, nil
}

func (s session) Add(ctx context.Context, r *ldap.AddRequest) error { return s.run(ctx, "add", r.DN) }

func (s session) Modify(ctx context.Context, r *ldap.ModifyRequest) error {
	return s.run(ctx, "modify", r.DN)
}

func (s session) ModifyDN(ctx context.Context, r *ldap.ModifyDNRequest) error {
	return s.run(ctx, "rename", r.DN)
}

func (s session) Delete(ctx context.Context, r *ldap.DelRequest) error {
	return s.run(ctx, "delete", r.DN)
}
func (session) Who() string { return "" }
func (session) PasswordModify(context.Context, string, []byte, []byte) ([]byte, error) {
	return nil, nil
}

func refusal(code uint16, text string) func(context.Context, string) error {
	return func(context.Context, string) error { return &ldap.Error{ResultCode: code, Err: errors.New(text)} }
}

func hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// newGroup asks the controllers in their order, and looks at them so seldom that only calls find out how they are. One that
// answers at all answers in time.
func newGroup(t *testing.T, change func(*client.Options), fakes ...*fake) *client.Group {
	t.Helper()
	options := client.Options{
		ReadLimit: time.Minute, WriteLimit: time.Minute, DialLimit: time.Minute, Patience: time.Nanosecond, Probe: time.Hour,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	if change != nil {
		change(&options)
	}
	g := client.NewGroup(options)
	t.Cleanup(g.Close)
	var list []client.Controller
	for _, f := range fakes {
		list = append(list, f.controller())
	}
	g.SetControllers(list)
	return g
}

const somebody = "CN=somebody,DC=corp"

func modify(ctx context.Context, g *client.Group, dn string) error {
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace("description", []string{"x"})
	return g.Modify(ctx, request)
}

func search(ctx context.Context, g *client.Group, controls ...ldap.Control) (*ldap.SearchResult, error) {
	return g.Search(ctx, ldap.NewSearchRequest("DC=corp", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(cn=x)", nil, controls))
}

// whoAnswers is the controller that answers a search.
func whoAnswers(t *testing.T, g *client.Group) string {
	t.Helper()
	result, err := search(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return result.Entries[0].GetAttributeValue("cn")
}

// The first controller does everything while it works, over few connections.
func TestPreferred(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	g := newGroup(t, nil, a, b)
	for range 20 {
		if err := modify(t.Context(), g, somebody); err != nil {
			t.Fatal(err)
		}
		if who := whoAnswers(t, g); who != "a" {
			t.Fatalf("%s answered", who)
		}
	}
	if err := g.Add(t.Context(), ldap.NewAddRequest(somebody, nil)); err != nil {
		t.Error(err)
	}
	if err := g.ModifyDN(t.Context(), ldap.NewModifyDNRequest(somebody, "CN=x", true, "")); err != nil {
		t.Error(err)
	}
	if err := g.Delete(t.Context(), ldap.NewDelRequest(somebody, nil)); err != nil {
		t.Error(err)
	}
	if a.count("modify") != 20 || b.count("modify")+b.count("search") != 0 || a.dials.Load() > 3 {
		t.Errorf("a: %v over %d connections, b: %v", a.asked, a.dials.Load(), b.asked)
	}
}

// What certainly did not happen is asked of the next controller, and what the domain refuses of nobody else.
func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		first func(ctx context.Context, operation string) error
		next  bool
	}{
		"busy":            {refusal(ldap.LDAPResultBusy, "busy"), true},
		"unavailable":     {refusal(ldap.LDAPResultUnavailable, "no"), true},
		"read-only":       {refusal(ldap.LDAPResultReferral, "elsewhere"), true},
		"not allowed":     {refusal(ldap.LDAPResultInsufficientAccessRights, "no"), false},
		"a bad password":  {refusal(ldap.LDAPResultConstraintViolation, "0000052D: no"), false},
		"no such object":  {refusal(ldap.LDAPResultNoSuchObject, "00002030: no"), false},
		"something weird": {refusal(80, "00002077: no"), false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newFake(t, "a"), newFake(t, "b")
			a.answers(c.first)
			g := newGroup(t, nil, a, b)
			err := modify(t.Context(), g, somebody)
			if asked := b.count("modify") == 1; asked != c.next || (err == nil) != c.next {
				t.Errorf("the next one was asked: %t; %v", asked, err)
			}
			var answer *ldap.Error
			if !c.next && (!errors.As(err, &answer) || errors.Is(err, directory.ErrUnavailable)) {
				t.Errorf("the refusal is lost: %v", err)
			}
		})
	}
}

// A read-only controller is asked for no more writes, and goes on reading.
func TestReadOnly(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	a.answers(func(ctx context.Context, operation string) error {
		if operation == "modify" {
			return refusal(ldap.LDAPResultReferral, "elsewhere")(ctx, operation)
		}
		return nil
	})
	g := newGroup(t, nil, a, b)
	for range 3 {
		if err := modify(t.Context(), g, somebody); err != nil {
			t.Fatal(err)
		}
	}
	if a.count("modify") != 1 || b.count("modify") != 3 || whoAnswers(t, g) != "a" {
		t.Errorf("a: %v, b: %v", a.asked, b.asked)
	}
	alone := newGroup(t, nil, a)
	if err := modify(t.Context(), alone, somebody); !errors.Is(err, directory.ErrUnavailable) || errors.Is(err, directory.ErrOutcomeUnknown) {
		t.Errorf("nobody can write: %v", err)
	}
}

// A controller that is gone costs nothing but a moment, and is asked again when it is back.
func TestGone(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	g := newGroup(t, func(o *client.Options) { o.Probe = 50 * time.Millisecond }, a, b)
	if who := whoAnswers(t, g); who != "a" {
		t.Fatal(who)
	}
	a.stop()
	if who := whoAnswers(t, g); who != "b" {
		t.Errorf("%s answered", who)
	}
	if err := modify(t.Context(), g, somebody); err != nil {
		t.Error(err)
	}
	if health := g.Health(); health[0].Up || health[0].Err == nil || !health[1].Up {
		t.Errorf("%+v", health)
	}
	a.start(t)
	for deadline := time.Now().Add(time.Minute); whoAnswers(t, g) != "a"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the preferred controller is not asked again")
		}
	}
}

// While one call tries a controller that may be back, another waits for what comes of it.
func TestBack(t *testing.T) {
	a := newFake(t, "a")
	g := newGroup(t, func(o *client.Options) { o.Patience, o.DialLimit = time.Minute, 2*time.Minute }, a)
	dial := a.controller().Dial
	down, trying, back := errors.New("it is down"), make(chan struct{}), make(chan struct{})
	var tries atomic.Int32
	g.SetControllers([]client.Controller{{Name: "b", Dial: func(ctx context.Context) (*ldap.Conn, error) {
		switch tries.Add(1) {
		case 1:
			return nil, down
		case 2:
			close(trying)
			<-back
		}
		return dial(ctx)
	}}})
	var calls sync.WaitGroup
	call := func() {
		if _, err := search(t.Context(), g); err != nil {
			t.Error(err)
		}
	}
	calls.Go(call)
	<-trying
	calls.Go(call)
	time.Sleep(50 * time.Millisecond) // the second call would have failed by now
	close(back)
	calls.Wait()
}

// Nobody knows what became of a write whose answer does not come; a read is asked of the next controller. A hung controller
// then is left alone.
func TestHung(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	a.answers(hang)
	// The one that works has to answer within the same time.
	limits := func(o *client.Options) { o.ReadLimit, o.WriteLimit = 2*time.Second, 2*time.Second }
	g := newGroup(t, limits, a, b)
	err := modify(t.Context(), g, somebody)
	if !errors.Is(err, directory.ErrOutcomeUnknown) || !errors.Is(err, directory.ErrUnavailable) || b.count("modify") != 0 {
		t.Errorf("%v, b: %v", err, b.asked)
	}
	if err := modify(t.Context(), g, somebody); err != nil || b.count("modify") != 1 {
		t.Errorf("%v, b: %v", err, b.asked)
	}
	reads := newGroup(t, limits, a, b)
	if who := whoAnswers(t, reads); who != "b" {
		t.Errorf("%s answered", who)
	}
}

// A connection that breaks after a write was sent leaves its outcome open.
func TestBroken(t *testing.T) {
	a := newFake(t, "a")
	reached, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	// It does not come to an answer of its own.
	a.answers(func(context.Context, string) error {
		close(reached)
		<-release
		return nil
	})
	g := newGroup(t, nil, a)
	go func() {
		<-reached
		a.stop()
	}()
	if err := modify(t.Context(), g, somebody); !errors.Is(err, directory.ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
}

// A caller whose time is over is answered at once, and the controller is not to blame.
func TestDeadline(t *testing.T) {
	a := newFake(t, "a")
	g := newGroup(t, nil, a)
	whoAnswers(t, g) // it is connected
	a.answers(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := search(ctx, g); !errors.Is(err, directory.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if health := g.Health(); !health[0].Up {
		t.Errorf("%+v", health)
	}
	a.answers(nil)
	if who := whoAnswers(t, g); who != "a" {
		t.Error(who)
	}
}

// Writes go one after the other, in the order of their coming; those whose time is over leave the queue; more than may wait
// are refused; and searches do not wait behind them.
func TestTurns(t *testing.T) {
	a := newFake(t, "a")
	release := make(chan struct{})
	entered := make(chan struct{}, 100)
	a.answers(func(_ context.Context, operation string) error {
		if operation == "modify" {
			entered <- struct{}{}
			<-release
		}
		return nil
	})
	g := newGroup(t, func(o *client.Options) { o.Waiting = 6 }, a)
	var group sync.WaitGroup
	start := func(ctx context.Context, dn string, want error) (ended chan struct{}) {
		ended = make(chan struct{})
		group.Go(func() {
			defer close(ended)
			if err := modify(ctx, g, dn); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", dn, err, want)
			}
		})
		return ended
	}
	waiting := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); g.WaitingWrites() != n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d writes wait, not %d", g.WaitingWrites(), n)
			}
		}
	}
	start(t.Context(), "CN=0", nil)
	<-entered
	for i := range 3 {
		start(t.Context(), fmt.Sprintf("CN=%d", i+1), nil)
		waiting(i + 1)
	}
	short, cancel := context.WithCancel(t.Context())
	gone := start(short, "CN=short", directory.ErrUnavailable)
	waiting(4)
	start(t.Context(), "CN=4", nil)
	waiting(5)
	start(t.Context(), "CN=5", nil)
	waiting(6)
	<-start(t.Context(), "CN=toomany", directory.ErrUnavailable)
	cancel()
	<-gone
	if who := whoAnswers(t, g); who != "a" {
		t.Error("a search waits for writes")
	}
	close(release)
	group.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if got := strings.Join(a.order, " "); got != "CN=0 CN=1 CN=2 CN=3 CN=4 CN=5" {
		t.Errorf("the order was %s", got)
	}
}

// The pages of a search come from where the first came from, also when another controller is preferred by then.
func TestPages(t *testing.T) {
	a, b := newFake(t, "a"), newFake(t, "b")
	g := newGroup(t, nil, b)
	first, err := search(t.Context(), g, ldap.NewControlPaging(1))
	if err != nil {
		t.Fatal(err)
	}
	cookie := ldap.FindControl(first.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging).Cookie
	g.SetControllers([]client.Controller{a.controller(), b.controller()})
	next := ldap.NewControlPaging(1)
	next.SetCookie(cookie)
	second, err := search(t.Context(), g, next)
	if err != nil || second.Entries[0].GetAttributeValue("cn") != "b" {
		t.Errorf("%v, %v", second, err)
	}
	if _, err := search(t.Context(), g, next); !ldap.IsErrorWithCode(err, ldap.LDAPResultUnwillingToPerform) {
		t.Errorf("a cookie that is used up: %v", err)
	}
}

// After Reset no connection from before is used.
func TestReset(t *testing.T) {
	a := newFake(t, "a")
	g := newGroup(t, nil, a)
	whoAnswers(t, g)
	before := a.dials.Load()
	whoAnswers(t, g)
	if a.dials.Load() != before {
		t.Error("a connection was not used again")
	}
	g.Reset()
	whoAnswers(t, g)
	if a.dials.Load() != before+1 {
		t.Errorf("%d connections, once %d", a.dials.Load(), before)
	}
}

// Without any controller, and with none that works, the error says why.
func TestNobody(t *testing.T) {
	g := newGroup(t, nil)
	if err := modify(t.Context(), g, somebody); !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), "no domain controller is known") {
		t.Errorf("%v", err)
	}
	a := newFake(t, "a")
	a.stop()
	g = newGroup(t, nil, a)
	for range 3 {
		if err := modify(t.Context(), g, somebody); !errors.Is(err, directory.ErrUnavailable) || errors.Is(err, directory.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "a: ") {
			t.Errorf("%v", err)
		}
	}
	if dials := a.dials.Load(); dials > 2 {
		t.Errorf("a controller that is gone was asked %d times at once", dials)
	}
}
