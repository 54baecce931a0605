package ldapserver

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/certificate"
)

type told struct {
	mu  sync.Mutex
	all []string
}

func (o *told) add(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, what)
}

func (o *told) Refused(limit string) { o.add(limit) }
func (o *told) Answered(operation string, result uint16, took time.Duration) {
	if took < 0 {
		o.add("before it was asked")
	}
	o.add(fmt.Sprint(operation, " ", result))
}

// TestObserver: it is told of every result by a name of the server's own, and of who is turned away.
func TestObserver(t *testing.T) {
	own, _, err := certificate.Load(t.TempDir(), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	o := &told{}
	s, err := New(Options{Backend: newFakeTree(), TLS: certificate.Config(own), Observer: o, Limits: Limits{Connections: 1}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener, false) }()
	c, err := ldap.DialURL("ldap://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Bind("jane", "wrong")
	_, _ = c.WhoAmI(nil)
	_ = c.Del(ldap.NewDelRequest("CN=nobody,DC=nowhere", nil))
	if open, most := s.Connections(); open != 1 || most != 1 {
		t.Errorf("%d of %d connections", open, most)
	}
	second, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = second.Read(make([]byte, 1)) // the notice, after which it is counted
	_ = second.Close()
	_ = c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if want := []string{"bind 49", "extended 0", "delete 0", "connections"}; !slices.Equal(o.all, want) {
		t.Errorf("it was told of %q, want %q", o.all, want)
	}
	if open, _ := s.Connections(); open != 0 {
		t.Errorf("%d connections are left", open)
	}
}
