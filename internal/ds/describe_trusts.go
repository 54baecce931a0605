package ds

import (
	"cmp"
	"context"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// describeTrusts lists the trusts of a directory, or all of the caller's in the Region, by their ids (API reference,
// DescribeTrusts).
func (s *Service) describeTrusts(_ context.Context, call *operation.Call, in *DescribeTrustsRequest) (*DescribeTrustsResult, error) {
	list := "DescribeTrusts/" + value(in.DirectoryId)
	after, err := s.openToken(call, list, in.NextToken)
	if err != nil {
		return nil, err
	}
	if in.TrustIds != nil && len(in.TrustIds) == 0 {
		return nil, fault.New(fault.InvalidParameter, "TrustIds must not be empty.")
	}
	records := s.Directories.All(call.Account, call.Region, "", maxDirectories)
	if in.DirectoryId != nil {
		record, err := s.find(call, *in.DirectoryId)
		if err != nil {
			return nil, err
		}
		if err := only(record, directory.MicrosoftAD); err != nil {
			return nil, err
		}
		records = []store.Directory{record}
	}
	all := []Trust{}
	for _, record := range records {
		for _, trust := range record.Trusts {
			all = append(all, describeTrust(record, trust))
		}
	}
	slices.SortFunc(all, func(a, b Trust) int { return cmp.Compare(*a.TrustId, *b.TrustId) })
	for _, id := range in.TrustIds {
		if !slices.ContainsFunc(all, func(t Trust) bool { return *t.TrustId == id }) {
			return nil, fault.Newf(fault.EntityDoesNotExist, "Trust %s does not exist.", id)
		}
	}
	all = slices.DeleteFunc(all, func(t Trust) bool {
		return *t.TrustId <= after || in.TrustIds != nil && !slices.Contains(in.TrustIds, *t.TrustId)
	})
	out := &DescribeTrustsResult{Trusts: all}
	if limit := pageLimit(in.Limit, pageSize); len(all) > limit {
		out.Trusts = all[:limit]
		out.NextToken = s.sealToken(call, list, *all[limit-1].TrustId)
	}
	return out, nil
}

const maxDirectories = 1 << 20

func describeTrust(record store.Directory, trust store.Trust) Trust {
	return Trust{
		DirectoryId: &record.ID, TrustId: &trust.ID, RemoteDomainName: &trust.RemoteDomain, TrustType: &trust.Type, TrustDirection: &trust.Direction,
		SelectiveAuth: &trust.SelectiveAuth, TrustState: &trust.State, TrustStateReason: optional(trust.Reason),
		CreatedDateTime: wire.At(trust.Created), LastUpdatedDateTime: wire.At(trust.Updated), StateLastUpdatedDateTime: wire.At(trust.Since),
	}
}
