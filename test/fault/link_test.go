package fault

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// link carries connections to an address.
type link struct {
	listener net.Listener

	mu    sync.Mutex
	conns []net.Conn
	other *tls.Certificate // shown to whoever connects, in place of the domain controller's
	to    string
	// passes is asked for every piece on its way to the domain controller.
	passes func(piece []byte) bool
}

// listen listens in the network that the tests are in.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// newLink carries what comes to the listener.
func newLink(t *testing.T, from net.Listener, to string) *link {
	t.Helper()
	l := &link{listener: from, to: to}
	l.restore()
	t.Cleanup(func() {
		_ = from.Close()
		l.restore()
	})
	go func() {
		for {
			near, err := from.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			other, to := l.other, l.to
			l.mu.Unlock()
			if other != nil {
				go func() {
					_ = tls.Server(near, &tls.Config{Certificates: []tls.Certificate{*other}, MinVersion: tls.VersionTLS12}).Handshake()
					_ = near.Close()
				}()
				continue
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, near, far)
			l.mu.Unlock()
			go carry(far, near, l.asked)
			go carry(near, far, func([]byte) bool { return true })
		}
	}()
	return l
}

func carry(to, from net.Conn, passes func([]byte) bool) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && passes(buffer[:n]) {
			_, _ = io.Copy(to, bytes.NewReader(buffer[:n]))
		}
		if err != nil {
			return
		}
	}
}

func (l *link) asked(piece []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passes(piece)
}

// impersonate shows another certificate on every new connection, nil the domain controller's again. Those that are there end.
func (l *link) impersonate(other *tls.Certificate) {
	l.mu.Lock()
	l.other = other
	l.mu.Unlock()
	l.restore()
}

// redirect leads new connections elsewhere. Those that are there end.
func (l *link) redirect(to string) {
	l.mu.Lock()
	l.to = to
	l.mu.Unlock()
	l.restore()
}

// restore ends all connections, and lets everything pass.
func (l *link) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passes = func([]byte) bool { return true }
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

// network is a network namespace that one pair of interfaces joins with the one that the tests are in.
type network struct {
	name, far string
}

// newNetwork makes one in which the address far is, reached from the address near; both with the length of their common prefix.
func newNetwork(t *testing.T, near, far string) *network {
	t.Helper()
	n := &network{fmt.Sprintf("latchkey-%d", os.Getpid()), fmt.Sprintf("lkf%d", os.Getpid())}
	here := fmt.Sprintf("lkn%d", os.Getpid())
	if said, err := exec.CommandContext(t.Context(), "ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: %s", err, said)
		}
		t.Skipf("no network namespace can be made (hint: be root, and apt-get install iproute2): %v: %s", err, said)
	}
	// The interfaces go with the namespace.
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", n.name).Run() })
	run := func(args ...string) {
		t.Helper()
		if said, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, said)
		}
	}
	run("link", "add", here, "type", "veth", "peer", "name", n.far, "netns", n.name)
	run("address", "add", near, "dev", here)
	run("link", "set", here, "up")
	run("-n", n.name, "address", "add", far, "dev", n.far)
	n.set(t, "up")
	return n
}

// set takes the far interface down, so that nothing that is sent arrives and nobody is told, or up again.
func (n *network) set(t *testing.T, state string) {
	t.Helper()
	if said, err := exec.Command("ip", "-n", n.name, "link", "set", n.far, state).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", state, err, said)
	}
}

// listen listens in the namespace.
func (n *network) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	type result struct {
		listener net.Listener
		err      error
	}
	done := make(chan result)
	go func() {
		// The thread is never unlocked, and so ends with this goroutine: it is in another network.
		runtime.LockOSThread()
		file, err := os.Open("/run/netns/" + n.name)
		if err == nil {
			defer file.Close()
			err = unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		}
		var r result
		if r.err = err; err == nil {
			r.listener, r.err = net.Listen("tcp", address)
		}
		done <- r
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.listener
}
