package app

import (
	"net"
	"net/netip"
	"slices"

	"latchkey/internal/admin"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/nameserver"
)

// buildDNS makes the server that tells where the embedded directories' services are.
func (a *App) buildDNS(engine *embedded.Engine) {
	if a.listeners.dns == nil {
		return
	}
	// The domain controller has one name, and the addresses of its LDAP server.
	beside := func(listener net.Listener) uint16 {
		if listener == nil {
			return 0
		}
		if !slices.Equal(hosts(listener.Addr()), hosts(a.listeners.ldap.Addr())) {
			a.logger.Warn("the DNS does not tell of a service that is on another address than LDAP", "address", listener.Addr())
			return 0
		}
		return port(listener)
	}
	// Validate has refused what this can't read.
	forward, _ := netip.ParseAddrPort(a.config.DNSForward)
	a.dns = nameserver.New(nameserver.Options{
		Domains: func() (domains []nameserver.Domain) {
			for _, head := range engine.Heads() {
				domains = append(domains, nameserver.Domain{Name: head.Domain.Name, GUID: head.GUID, Host: embedded.MachineHost(head.Domain)})
			}
			return domains
		},
		Ports: nameserver.Ports{LDAP: port(a.listeners.ldap), Kerberos: beside(a.listeners.kdc), Password: beside(a.listeners.kpasswd)}, Addresses: hosts(a.listeners.ldap.Addr()), Forward: forward, Logger: a.logger,
	}, a.listeners.dnsPackets, a.listeners.dns)
}

// kerberos is where clients find the embedded directories' Kerberos servers.
func (a *App) kerberos() (at admin.Kerberos) {
	for _, each := range []struct {
		listener  net.Listener
		addresses *[]string
	}{{a.listeners.kdc, &at.KDCs}, {a.listeners.kpasswd, &at.PasswordServers}} {
		if each.listener == nil {
			continue
		}
		for _, host := range hosts(each.listener.Addr()) {
			*each.addresses = append(*each.addresses, netip.AddrPortFrom(host, port(each.listener)).String())
		}
	}
	return at
}

// dnsAddresses is where the DNS of embedded directories is, for clients that know its port.
func (a *App) dnsAddresses() (addresses []string) {
	if a.listeners.dns == nil {
		return nil
	}
	for _, address := range hosts(a.listeners.dns.Addr()) {
		if address.Is4() {
			addresses = append(addresses, address.String())
		}
	}
	return addresses
}
