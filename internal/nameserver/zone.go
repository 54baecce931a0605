package nameserver

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Site is the one that every domain is in, AD's own name for the first.
const Site = "Default-First-Site-Name"

// Times that others may keep what they were told, in seconds: what AD's DNS says of its own records, and a short one of what is
// not there, as domains come at any time.
const (
	keep        = 600
	keepMissing = 60
)

// Domain is one that the server has authority over. It is comparable.
type Domain struct {
	Name string // in lower case, without a dot at the end
	GUID string // of the domain's own entry, in the text form
	Host string // DNS name of its domain controller, which is below Name
}

// Ports are where the services of the domains are; 0 is a service that is not there.
type Ports struct{ LDAP, Kerberos, Password uint16 }

// zone is what the server has authority over: names in lower case with a dot at the end. A name without records is there as
// well when there are others below it (RFC 8020).
type zone struct {
	origin string
	soa    *dns.SOA
	names  map[string][]dns.RR
}

func newZone(origin, server string) *zone {
	z := &zone{origin: origin, names: map[string][]dns.RR{}}
	z.soa = &dns.SOA{
		Hdr: header(origin, dns.TypeSOA), Ns: server, Mbox: "hostmaster." + origin,
		Serial: 1, Refresh: 900, Retry: 600, Expire: 86400, Minttl: keepMissing,
	}
	z.add(z.soa)
	z.add(&dns.NS{Hdr: header(origin, dns.TypeNS), Ns: server})
	return z
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: keep}
}

// add gives a name one record more; the names above it are then there as well.
func (z *zone) add(record dns.RR) {
	name := record.Header().Name
	if slices.ContainsFunc(z.names[name], func(other dns.RR) bool { return dns.IsDuplicate(record, other) }) {
		return
	}
	z.names[name] = append(z.names[name], record)
	for name != z.origin {
		at, _ := dns.NextLabel(name, 0)
		name = name[at:]
		if _, there := z.names[name]; !there {
			z.names[name] = nil
		}
	}
}

func (z *zone) addService(name, host string, port uint16) {
	if port != 0 {
		z.add(&dns.SRV{Hdr: header(name+z.origin, dns.TypeSRV), Priority: 0, Weight: 100, Port: port, Target: host})
	}
}

func (z *zone) addAddresses(name string, addresses []netip.Addr) {
	for _, address := range addresses {
		if address.Is4() {
			z.add(&dns.A{Hdr: header(name, dns.TypeA), A: address.AsSlice()})
		} else {
			z.add(&dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: address.AsSlice()})
		}
	}
}

// describe gives the zone what clients look for a domain by (MS-ADTS section 6.3.2.3). Its names begin in lower case, as AD
// compares them without regard to case.
func (z *zone) describe(d Domain, ports Ports, addresses []netip.Addr) {
	host, site := dns.Fqdn(d.Host), strings.ToLower(Site)+"._sites."
	z.addAddresses(z.origin, addresses)
	z.addAddresses(host, addresses)
	z.addAddresses("gc._msdcs."+z.origin, addresses)
	for _, at := range []string{"", site, "dc._msdcs.", site + "dc._msdcs.", "gc._msdcs.", site + "gc._msdcs.", "pdc._msdcs."} {
		z.addService("_ldap._tcp."+at, host, ports.LDAP)
	}
	if d.GUID != "" {
		z.addService("_ldap._tcp."+strings.ToLower(d.GUID)+".domains._msdcs.", host, ports.LDAP)
	}
	for _, at := range []string{"", site} {
		z.addService("_gc._tcp."+at, host, ports.LDAP)
	}
	for _, at := range []string{"", site, "dc._msdcs.", site + "dc._msdcs."} {
		z.addService("_kerberos._tcp."+at, host, ports.Kerberos)
	}
	z.addService("_kerberos._udp.", host, ports.Kerberos)
	z.addService("_kpasswd._tcp.", host, ports.Password)
	z.addService("_kpasswd._udp.", host, ports.Password)
}

// zones is those of the domains, by their origins. The address of a domain controller has a name where there is one domain
// only: of several, clients would take the wrong one for the service's.
func zones(domains []Domain, ports Ports, addresses []netip.Addr) map[string]*zone {
	all := map[string]*zone{}
	for _, d := range domains {
		origin := dns.Fqdn(d.Name)
		if all[origin] == nil {
			all[origin] = newZone(origin, dns.Fqdn(d.Host))
		}
		all[origin].describe(d, ports, addresses)
	}
	if len(all) != 1 {
		return all
	}
	host := dns.Fqdn(domains[0].Host)
	for _, address := range addresses {
		if name, err := dns.ReverseAddr(address.String()); err == nil {
			all[name] = newZone(name, host)
			all[name].add(&dns.PTR{Hdr: header(name, dns.TypePTR), Ptr: host})
		}
	}
	return all
}

// find is the zone with the longest name that has this one, in lower case, in it; nil if there is none.
func find(all map[string]*zone, name string) *zone {
	for at, end := 0, false; !end; at, end = dns.NextLabel(name, at) {
		if z := all[name[at:]]; z != nil {
			return z
		}
	}
	return nil
}

// tell fills in what the zone has of a name in it, under the name as it was asked for.
func (z *zone) tell(answer *dns.Msg, asked dns.Question) {
	answer.Authoritative = true
	records, there := z.names[strings.ToLower(asked.Name)]
	for _, record := range records {
		if record.Header().Rrtype == asked.Qtype {
			given := dns.Copy(record)
			given.Header().Name = asked.Name
			answer.Answer = append(answer.Answer, given)
			answer.Extra = append(answer.Extra, z.glue(record)...)
		}
	}
	switch {
	case len(answer.Answer) > 0:
	case asked.Qtype == dns.TypeANY && len(records) > 0:
		// As little as is allowed (RFC 8482 section 4.2): whoever asks so is after a large answer.
		given := &dns.HINFO{Hdr: header(asked.Name, dns.TypeHINFO), Cpu: "RFC8482"}
		answer.Answer = append(answer.Answer, given)
	default:
		// RFC 2308: who has the SOA may keep that there is nothing.
		missing := dns.Copy(z.soa)
		missing.Header().Ttl = min(missing.Header().Ttl, z.soa.Minttl)
		answer.Ns = append(answer.Ns, missing)
		if !there {
			answer.Rcode = dns.RcodeNameError
		}
	}
}

// glue is the addresses of the host that a record names.
func (z *zone) glue(record dns.RR) (addresses []dns.RR) {
	var host string
	switch r := record.(type) {
	case *dns.SRV:
		host = r.Target
	case *dns.NS:
		host = r.Ns
	}
	for _, each := range z.names[host] {
		if kind := each.Header().Rrtype; kind == dns.TypeA || kind == dns.TypeAAAA {
			addresses = append(addresses, each)
		}
	}
	return addresses
}
