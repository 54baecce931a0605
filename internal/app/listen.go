package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

func (a *App) listen() error {
	for _, each := range []struct {
		name, address string
		listener      *net.Listener
		packets       *net.PacketConn // nil where there is nothing over UDP
	}{
		{"listen", a.config.Listen, &a.listeners.api, nil},
		{"ldap-listen", a.config.LDAPListen, &a.listeners.ldap, &a.listeners.ldapPackets},
		{"ldaps-listen", a.config.LDAPSListen, &a.listeners.ldaps, nil},
		{"dns-listen", a.config.DNSListen, &a.listeners.dns, &a.listeners.dnsPackets},
		{"kdc-listen", a.config.KDCListen, &a.listeners.kdc, &a.listeners.kdcPackets},
		{"metrics-listen", a.config.MetricsListen, &a.listeners.metrics, nil},
		{"kpasswd-listen", a.config.KpasswdListen, &a.listeners.kpasswd, &a.listeners.kpasswdPackets},
	} {
		if each.address == "" {
			continue
		}
		listener, packets, err := listen(a.config.At(each.address), each.packets != nil)
		if err != nil {
			return fmt.Errorf("--%s: %w", each.name, err)
		}
		*each.listener = listener
		// Whoever serves it has closed it by then: this is for a start that fails.
		a.closeLater(func() error { _ = listener.Close(); return nil })
		if each.packets != nil {
			*each.packets = packets
			a.closeLater(func() error { _ = packets.Close(); return nil })
		}
	}
	return nil
}

// listen takes an address for TCP, and where it is to be for UDP the same one. Of a free port that TCP gets, UDP may be taken:
// then it is another.
func listen(address string, both bool) (net.Listener, net.PacketConn, error) {
	const tries = 20
	_, port, _ := net.SplitHostPort(address)
	var errs []error
	for range tries {
		listener, err := net.Listen("tcp", address)
		if err != nil || !both {
			return listener, nil, err
		}
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		if err == nil {
			return listener, packets, nil
		}
		errs = append(errs, err)
		_ = listener.Close()
		if port != "0" {
			break
		}
	}
	return nil, nil, errors.Join(errs...)
}

// hosts is the addresses that others reach a listener by: its own, or, where it listens on all, this machine's.
func hosts(at net.Addr) []netip.Addr {
	parsed, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return nil
	}
	if address := parsed.Addr().Unmap().WithZone(""); !address.IsUnspecified() {
		return []netip.Addr{address}
	}
	var all []netip.Addr
	interfaces, _ := net.InterfaceAddrs()
	for _, each := range interfaces {
		network, ok := each.(*net.IPNet)
		if !ok {
			continue
		}
		if address, ok := netip.AddrFromSlice(network.IP); ok && address.Unmap().IsGlobalUnicast() {
			all = append(all, address.Unmap())
		}
	}
	if len(all) == 0 {
		all = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return all
}

// port is a listener's.
func port(listener net.Listener) uint16 {
	at, err := netip.ParseAddrPort(listener.Addr().String())
	if err != nil {
		return 0
	}
	return at.Port()
}
