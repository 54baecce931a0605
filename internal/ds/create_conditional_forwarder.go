package ds

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

const (
	// forwarderLimit and trustLimit are how many a directory has at most; AWS documents neither.
	forwarderLimit = 100
	trustLimit     = 100
	// forwarderAddresses is how many servers one forwarder asks at most.
	forwarderAddresses = 16
)

// createConditionalForwarder makes a directory's DNS ask certain servers for the names of another domain (API reference,
// CreateConditionalForwarder).
func (s *Service) createConditionalForwarder(ctx context.Context, call *operation.Call, in *CreateConditionalForwarderRequest) (*CreateConditionalForwarderResult, error) {
	record, err := s.findOwn(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	forwarder, err := newForwarder(record, *in.RemoteDomainName, in.DnsIpAddrs, in.DnsIpv6Addrs)
	if err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if slices.ContainsFunc(record.Forwarders, forwards(forwarder.RemoteDomain)) {
			return fault.Newf(fault.EntityAlreadyExists, "A conditional forwarder for %s exists already.", forwarder.RemoteDomain)
		}
		return addForwarder(record, forwarder)
	})
	if err != nil {
		return nil, err
	}
	return &CreateConditionalForwarderResult{}, nil
}

// findOwn is find for a directory that can have conditional forwarders, trusts and a log subscription.
func (s *Service) findOwn(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.find(call, id)
	if err != nil {
		return record, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return record, err
	}
	if lifecycle.EngineName(record) == lifecycle.Remote {
		return record, fault.Newf(fault.UnsupportedOperation, "The operation is not supported: the domain of directory %s is run by somebody else.", record.ID)
	}
	return record, nil
}

// newForwarder is a conditional forwarder that the directory may have.
func newForwarder(record store.Directory, domain string, addresses, addresses6 []string) (store.Forwarder, error) {
	if err := foreign(record, domain); err != nil {
		return store.Forwarder{}, err
	}
	switch count := len(addresses) + len(addresses6); {
	case count == 0:
		return store.Forwarder{}, fault.New(fault.InvalidParameter, "DnsIpAddrs or DnsIpv6Addrs must be specified.")
	case count > forwarderAddresses:
		return store.Forwarder{}, fault.Newf(fault.InvalidParameter, "A conditional forwarder has at most %d addresses.", forwarderAddresses)
	}
	// The model's pattern lets some through that are none, such as 010.0.0.1.
	for _, address := range slices.Concat(addresses, addresses6) {
		if parsed, err := netip.ParseAddr(address); err != nil || parsed.IsUnspecified() || parsed.IsMulticast() {
			return store.Forwarder{}, fault.Newf(fault.InvalidParameter, "%s is not the address of a DNS server.", address).Because(err)
		}
	}
	return store.Forwarder{RemoteDomain: domain, Addresses: addresses, Addresses6: addresses6, Scope: ReplicationScopeDomain}, nil
}

// foreign refuses what can't be the name of another domain.
func foreign(record store.Directory, name string) error {
	short := bare(name)
	own := strings.ToLower(record.Name)
	switch {
	case strings.Contains(short, `\`), !strings.Contains(short, "."), len(short) > 255:
		return fault.Newf(fault.InvalidParameter, "%s is not the fully qualified name of a domain.", name)
	case short == own || strings.HasSuffix(short, "."+own):
		return fault.Newf(fault.InvalidParameter, "%s is the directory's own domain, or within it.", name)
	}
	return nil
}

// bare is a domain's name as names are compared: the dot at its end means nothing.
func bare(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func forwards(domain string) func(store.Forwarder) bool {
	return func(f store.Forwarder) bool { return bare(f.RemoteDomain) == bare(domain) }
}

func addForwarder(record *store.Directory, forwarder store.Forwarder) error {
	if len(record.Forwarders) >= forwarderLimit {
		return fault.Newf(fault.Client, "A directory has at most %d conditional forwarders.", forwarderLimit)
	}
	record.Forwarders = append(record.Forwarders, forwarder)
	return nil
}

func missingForwarder(domain string) error {
	return fault.Newf(fault.EntityDoesNotExist, "A conditional forwarder for %s does not exist.", domain)
}
