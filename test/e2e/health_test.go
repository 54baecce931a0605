package e2e

import (
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/config"
)

// relay is a way to another address that can be cut.
type relay struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// startRelay answers with the address to use instead.
func startRelay(t *testing.T, target string) (*relay, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{}
	t.Cleanup(func() {
		_ = listener.Close()
		r.set(true)
	})
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			if err != nil {
				_ = from.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, from, to)
			cut := r.cut
			r.mu.Unlock()
			if cut {
				r.set(true)
			}
			go func() { _, _ = io.Copy(to, from) }()
			go func() { _, _ = io.Copy(from, to) }()
		}
	}()
	return r, listener.Addr().String()
}

func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut = cut; !cut {
		return
	}
	for _, each := range r.conns {
		_ = each.Close()
	}
	r.conns = nil
}

// TestHealth: while the store can't be reached the server is alive and not ready, and is ready again after it.
func TestHealth(t *testing.T) {
	t.Parallel()
	way, address := startRelay(t, strings.TrimPrefix(startEtcd(t), "http://"))
	s := start(t, worldSeed, func(c *config.Config) { c.StoreEndpoints = []string{"http://" + address} })
	get := func(path string) string {
		said, err := exec.CommandContext(t.Context(), program(t, "curl", "curl"), "--silent", "--show-error", "--write-out", "%{http_code}", s.API+path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		return string(said)
	}
	if alive, ready := get("/healthz"), get("/readyz"); alive != "ok\n200" || ready != "ok\n200" {
		t.Errorf("%s, %s", alive, ready)
	}
	way.set(true)
	await(t, "not ready", func() bool { return get("/readyz") == "the store does not answer\n503" })
	if alive := get("/healthz"); alive != "ok\n200" {
		t.Errorf("without the store: %s", alive)
	}
	way.set(false)
	await(t, "ready again", func() bool { return get("/readyz") == "ok\n200" })
	if other := get("/anything"); !strings.HasSuffix(other, "404") && !strings.HasSuffix(other, "400") {
		t.Errorf("another path: %s", other)
	}
}
