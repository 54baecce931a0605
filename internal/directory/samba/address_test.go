package samba

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A domain controller listens when it does so on every port.
func TestListening(t *testing.T) {
	var listeners []net.Listener
	var ports []string
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		listeners, ports = append(listeners, listener), append(ports, port)
	}
	here := netip.MustParseAddr("127.0.0.1")
	if err := listening(t.Context(), here, ports); err != nil {
		t.Error(err)
	}
	_ = listeners[1].Close()
	if err := listening(t.Context(), here, ports); err == nil || !strings.Contains(err.Error(), ports[1]) {
		t.Errorf("without %s: %v", ports[1], err)
	}
}
