package admin

import (
	"context"
	"net/netip"
	"net/url"

	"latchkey/internal/directory/remote"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// Kerberos is where the embedded directories' own servers are, as host:port; none where they are turned off.
type Kerberos struct{ KDCs, PasswordServers []string }

// describeKerberos tells what a client's configuration needs. Without addresses the servers are found by DNS.
func (s *Service) describeKerberos(_ context.Context, call *operation.Call, in *DescribeKerberosRequest) (*DescribeKerberosResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	domain, err := lifecycle.Domain(record)
	if err != nil {
		return nil, err
	}
	realm := domain.Realm()
	out := &DescribeKerberosResult{Realm: &realm, Domain: &domain.Name}
	switch lifecycle.EngineName(record) {
	case lifecycle.Embedded:
		if len(s.Kerberos.KDCs) == 0 {
			return nil, fault.Newf(fault.UnsupportedOperation, "Directory %s has no Kerberos: it is turned off on this server.", record.ID)
		}
		out.Kdcs, out.PasswordServers = s.Kerberos.KDCs, s.Kerberos.PasswordServers
	case lifecycle.Samba:
		for _, c := range record.Controllers {
			if c.Stage != lifecycle.Deleting {
				out.Kdcs = append(out.Kdcs, c.Address)
			}
		}
		out.PasswordServers = out.Kdcs
	case lifecycle.Remote:
		if out.Kdcs, err = controllersOf(record); err != nil {
			return nil, err
		}
		out.PasswordServers = out.Kdcs
	}
	return out, nil
}

// controllersOf is the domain controllers of an attached domain by their names, each of which is a KDC; none where they are
// found by DNS.
func controllersOf(record store.Directory) (hosts []string, err error) {
	var settings remote.Settings
	if settings, err = lifecycle.RemoteSettings(record); err != nil {
		return nil, err
	}
	for _, each := range settings.URLs {
		parsed, err := url.Parse(each)
		if err != nil {
			return nil, err
		}
		host := parsed.Hostname()
		if address, err := netip.ParseAddr(host); err == nil && address.Is6() {
			host = "[" + host + "]"
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}
