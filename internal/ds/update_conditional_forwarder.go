package ds

import (
	"context"
	"slices"

	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// updateConditionalForwarder replaces the servers that are asked for the names of another domain (API reference,
// UpdateConditionalForwarder).
func (s *Service) updateConditionalForwarder(ctx context.Context, call *operation.Call, in *UpdateConditionalForwarderRequest) (*UpdateConditionalForwarderResult, error) {
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
		at := slices.IndexFunc(record.Forwarders, forwards(forwarder.RemoteDomain))
		if at < 0 {
			return missingForwarder(forwarder.RemoteDomain)
		}
		record.Forwarders[at].Addresses, record.Forwarders[at].Addresses6 = forwarder.Addresses, forwarder.Addresses6
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &UpdateConditionalForwarderResult{}, nil
}
