package delivery_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/audit"
)

// collector is a syslog receiver over TCP. It breaks off its first connections after some bytes.
type collector struct {
	listener net.Listener
	mu       sync.Mutex
	breaks   int
	ids      []string
	faults   []string
}

func newCollector(t *testing.T, breaks int) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{listener: listener, breaks: breaks}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.serve(conn.(*net.TCPConn))
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return c
}

func (c *collector) serve(conn *net.TCPConn) {
	defer func() { _ = conn.Close() }()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.breaks > 0 {
		c.breaks--
		_, _ = io.CopyN(io.Discard, conn, 100)
		_ = conn.SetLinger(0) // a reset
		return
	}
	for from := bufio.NewReader(conn); ; {
		count, err := from.ReadString(' ')
		if err != nil {
			return
		}
		length, err := strconv.Atoi(strings.TrimSuffix(count, " "))
		if err != nil {
			c.faults = append(c.faults, count)
			return
		}
		message := make([]byte, length)
		if _, err := io.ReadFull(from, message); err != nil {
			c.faults = append(c.faults, err.Error())
			return
		}
		var record struct{ RequestID string }
		parts := bytes.SplitN(message, []byte(" "), 8)
		if len(parts) != 8 || !bytes.HasPrefix(parts[0], []byte("<10")) || string(parts[3]) != "latchkey" || string(parts[6]) != "-" || json.Unmarshal(parts[7], &record) != nil {
			c.faults = append(c.faults, string(message))
		}
		c.ids = append(c.ids, record.RequestID)
	}
}

func (c *collector) has() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.ids...)
}

// TestSyslogReset: what a receiver has taken before it breaks off a connection counts for nothing, and comes again.
func TestSyslogReset(t *testing.T) {
	dir := t.TempDir()
	l := openTrail(t, dir, audit.Retention{})
	const n = 1200
	put(t, l, 0, n)
	c := newCollector(t, 2)
	log := &safe{}
	s := deliver(t, l, dir, log, nil, "syslog+tcp://"+c.listener.Addr().String())
	await(t, "the last record", func() bool { got := c.has(); return len(got) >= n })
	await(t, "its acknowledgement", func() bool { return s.Status()[0].Delivered == n })
	whole(t, c.has(), n)
	if len(c.faults) > 0 {
		t.Errorf("%q", c.faults)
	}
	if !strings.Contains(log.String(), "an audit sink does not take records") {
		t.Error(log)
	}
}
