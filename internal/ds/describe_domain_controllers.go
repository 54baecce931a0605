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

// describeDomainControllers lists the domain controllers that the server runs for a directory (API reference,
// DescribeDomainControllers): none for one that has none of its own.
func (s *Service) describeDomainControllers(_ context.Context, call *operation.Call, in *DescribeDomainControllersRequest) (*DescribeDomainControllersResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if record.Type != string(directory.MicrosoftAD) {
		return nil, fault.Newf(fault.UnsupportedOperation, "The operation is not supported for a directory of the type %s.", record.Type)
	}
	list := "DescribeDomainControllers/" + record.ID
	after, err := s.openToken(call, list, in.NextToken)
	if err != nil {
		return nil, err
	}
	for _, id := range in.DomainControllerIds {
		if !slices.ContainsFunc(record.Controllers, func(c store.Controller) bool { return c.ID == id }) {
			return nil, fault.Newf(fault.EntityDoesNotExist, "Domain controller %s does not exist in directory %s.", id, record.ID)
		}
	}
	controllers := slices.SortedFunc(slices.Values(record.Controllers), func(a, b store.Controller) int { return cmp.Compare(a.ID, b.ID) })
	limit := pageLimit(in.Limit, pageSize)
	out := &DescribeDomainControllersResult{DomainControllers: []DomainController{}}
	for _, c := range controllers {
		if c.ID <= after || len(in.DomainControllerIds) > 0 && !slices.Contains(in.DomainControllerIds, c.ID) {
			continue
		}
		if len(out.DomainControllers) == limit {
			out.NextToken = s.sealToken(call, list, *out.DomainControllers[limit-1].DomainControllerId)
			break
		}
		out.DomainControllers = append(out.DomainControllers, describeController(record, c))
	}
	return out, nil
}

func describeController(record store.Directory, c store.Controller) DomainController {
	d := DomainController{
		DirectoryId: &record.ID, DomainControllerId: &c.ID, DnsIpAddr: &c.Address, Status: &c.Stage, StatusReason: optional(c.StageReason),
		StatusLastUpdatedDateTime: wire.At(c.StageTime), LaunchTime: wire.At(c.LaunchTime),
	}
	if record.VPC != nil {
		d.VpcId = &record.VPC.ID
	}
	return d
}
