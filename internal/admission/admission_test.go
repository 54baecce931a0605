package admission

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1:443": "192.0.2.1/32", "[::ffff:192.0.2.1]:443": "192.0.2.1/32", "[2001:db8::1]:443": "2001:db8::/64",
		"[2001:db8::ffff:2%eth0]:1": "2001:db8::/64",
	} {
		if got := Network(address(text)); got != netip.MustParsePrefix(want) {
			t.Errorf("%s is counted under %s, not %s", text, got, want)
		}
	}
	if got := Network(&net.UnixAddr{Name: "/run/socket"}); got.IsValid() {
		t.Errorf("a socket is counted under %s", got)
	}
}

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func TestDoor(t *testing.T) {
	door := NewDoor(3, 2)
	one, two := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	for i, each := range []struct {
		network netip.Prefix
		want    bool
	}{{one, true}, {one, true}, {one, false}, {two, true}, {two, false}} {
		if door.Enter(each.network) != each.want {
			t.Errorf("step %d: not %t", i, each.want)
		}
	}
	door.Leave(one)
	if !door.Enter(two) || door.Enter(one) {
		t.Error("the place that has become free is not for everybody")
	}
	for range 2 {
		door.Leave(two)
	}
	door.Leave(one)
	if door.all != 0 || len(door.networks) != 0 {
		t.Errorf("%d are left, of %d networks", door.all, len(door.networks))
	}
}

// A connection beyond the limit is closed, unless another one is idle: then that one is. One that ends makes room, however often
// it is closed.
func TestListener(t *testing.T) {
	for name, most := range map[string][2]int{"of all": {2, 10}, "of each": {10, 2}} {
		t.Run(name, func(t *testing.T) {
			raw, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			door := NewDoor(most[0], most[1])
			away := make(chan net.Addr, 1)
			listener := door.Listen(raw, func(limit string, from net.Addr) {
				if limit != Connections {
					t.Errorf("%s: %s", from, limit)
				}
				select {
				case away <- from:
				default:
				}
			})
			release := make(chan struct{})
			server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/busy" {
					w.(http.Flusher).Flush()
					<-release
				}
			})}
			listener.Guard(server)
			var serving sync.WaitGroup
			serving.Go(func() { _ = server.Serve(listener) })
			defer serving.Wait()
			defer server.Close()
			dial := func(path string) net.Conn {
				t.Helper()
				c, err := net.Dial("tcp", raw.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				return c
			}
			answered := func(c net.Conn) bool {
				t.Helper()
				head := make([]byte, 12)
				_, err := io.ReadFull(c, head)
				return err == nil && string(head) == "HTTP/1.1 200"
			}
			idle := dial("/")
			if !answered(idle) {
				t.Fatal("the first one is not served")
			}
			if !answered(dial("/busy")) {
				t.Fatal("the second one is not served")
			}
			waitFor(t, func() bool {
				listener.mu.Lock()
				defer listener.mu.Unlock()
				return listener.idle.Len() == 1
			})
			if !answered(dial("/busy")) {
				t.Error("one is idle, and a new one is turned away")
			}
			if _, err := io.Copy(io.Discard, idle); err != nil {
				t.Errorf("the idle one is not closed: %v", err)
			}
			extra := dial("/")
			if at := <-away; at.String() != extra.LocalAddr().String() {
				t.Errorf("%s was turned away", at)
			}
			if answered(extra) {
				t.Error("one too many is served")
			}
			close(release)
			waitFor(t, func() bool {
				c := dial("/")
				defer c.Close()
				return answered(c)
			})
			_ = server.Close()
			waitFor(t, func() bool {
				door.mu.Lock()
				defer door.mu.Unlock()
				return door.all == 0
			})
		})
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain")
		}
	}
}

// A connection that ends because its header is too large, or takes too long, is told of; one that is idle, or in the middle of a
// request, is not.
func TestLimitsOfHeaders(t *testing.T) {
	const header = "GET / HTTP/1.1\r\nHost: x\r\n"
	far := strings.Repeat("x", 8<<10)
	// Only the time that is to be over is short: the test may be slow with what it says.
	const short, long = 200 * time.Millisecond, time.Minute
	type limits struct{ header, body, idle time.Duration }
	for name, each := range map[string]struct {
		limits limits
		said   []string // each once the one before is answered
		want   []string
	}{
		"nothing":                  {limits{short, long, long}, nil, []string{HeaderTime}},
		"half a header":            {limits{short, long, long}, []string{header}, []string{HeaderTime}},
		"a request, then half one": {limits{short, long, long}, []string{header + "\r\n", header}, []string{HeaderTime}},
		"a request, then nothing":  {limits{long, long, short}, []string{header + "\r\n"}, nil},
		"half a body":              {limits{long, short, long}, []string{header + "Content-Length: 100000\r\n\r\n" + far}, nil},
		"a header too large":       {limits{long, long, long}, []string{header + "X: " + far + "\r\n\r\n"}, []string{HeaderSize}},
		"no header":                {limits{long, long, long}, []string{"\r\n\r\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var told []string // until the connection is closed
			listener := NewDoor(10, 10).Listen(raw, func(limit string, _ net.Addr) { told = append(told, limit) })
			server := &http.Server{
				ReadHeaderTimeout: each.limits.header, ReadTimeout: each.limits.body, IdleTimeout: each.limits.idle, MaxHeaderBytes: 1 << 10,
				Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }),
			}
			listener.Guard(server)
			closed, turned := make(chan struct{}), server.ConnState
			server.ConnState = func(c net.Conn, state http.ConnState) {
				turned(c, state)
				if state == http.StateClosed {
					close(closed)
				}
			}
			var serving sync.WaitGroup
			serving.Go(func() { _ = server.Serve(listener) })
			c, err := net.Dial("tcp", raw.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			for i, said := range each.said {
				if i > 0 {
					_, _ = c.Read(make([]byte, 1))
				}
				_, _ = io.WriteString(c, said)
			}
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
			<-closed
			_ = server.Close()
			serving.Wait()
			if !slices.Equal(told, each.want) {
				t.Errorf("told of %q, want %q", told, each.want)
			}
		})
	}
}
