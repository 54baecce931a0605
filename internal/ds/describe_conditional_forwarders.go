package ds

import (
	"context"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// describeConditionalForwarders lists a directory's conditional forwarders, in the order of their making, or those for certain
// domains (API reference, DescribeConditionalForwarders). No names stand for all.
func (s *Service) describeConditionalForwarders(_ context.Context, call *operation.Call, in *DescribeConditionalForwardersRequest) (*DescribeConditionalForwardersResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	for _, name := range in.RemoteDomainNames {
		if !slices.ContainsFunc(record.Forwarders, forwards(name)) {
			return nil, missingForwarder(name)
		}
	}
	out := &DescribeConditionalForwardersResult{ConditionalForwarders: []ConditionalForwarder{}}
	for _, f := range record.Forwarders {
		if len(in.RemoteDomainNames) > 0 && !slices.ContainsFunc(in.RemoteDomainNames, func(name string) bool { return forwards(name)(f) }) {
			continue
		}
		out.ConditionalForwarders = append(out.ConditionalForwarders, ConditionalForwarder{
			RemoteDomainName: &f.RemoteDomain, DnsIpAddrs: f.Addresses, DnsIpv6Addrs: f.Addresses6, ReplicationScope: &f.Scope,
		})
	}
	return out, nil
}
