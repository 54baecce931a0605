// Package admission bounds how many connections are open, of everybody and of each.
package admission

import (
	"net"
	"net/netip"
	"sync"
)

// Network is what an address is counted under: itself, or its /64 of IPv6. It is zero for what is not of IP.
func Network(from net.Addr) netip.Prefix {
	parsed, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := parsed.Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}

// Door lets connections in while there are not too many. It is safe for concurrent use.
type Door struct {
	most, each int

	mu       sync.Mutex
	all      int
	networks map[netip.Prefix]int
}

// NewDoor is one for that many connections at once, and that many of them from each network.
func NewDoor(most, each int) *Door {
	return &Door{most: most, each: each, networks: map[netip.Prefix]int{}}
}

// Enter says whether a connection may come in. One that does leaves once.
func (d *Door) Enter(network netip.Prefix) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= d.most || d.networks[network] >= d.each {
		return false
	}
	d.all++
	d.networks[network]++
	return true
}

// Leave counts a connection of that network that has entered as gone.
func (d *Door) Leave(network netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.networks[network]--; d.networks[network] == 0 {
		delete(d.networks, network)
	}
}

// Inside is how many connections are in, and how many may be.
func (d *Door) Inside() (open, most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all, d.most
}

// full says whether a network has as many connections as it may.
func (d *Door) full(network netip.Prefix) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.networks[network] >= d.each
}
