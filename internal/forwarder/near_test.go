package forwarder

import (
	"net/netip"
	"testing"
)

// Only this machine is answered.
func TestNear(t *testing.T) {
	s := &Server{address: netip.MustParseAddr("192.0.2.1")}
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.82.22.1": true, "::1": true, "192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.2": false, "10.0.0.1": false, "2001:db8::1": false,
	} {
		if got := s.near(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}
