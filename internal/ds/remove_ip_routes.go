package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// removeIPRoutes forgets address ranges (API reference, RemoveIpRoutes).
func (s *Service) removeIPRoutes(ctx context.Context, call *operation.Call, in *RemoveIpRoutesRequest) (*RemoveIpRoutesResult, error) {
	record, err := s.findRoutable(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	var gone []string
	for _, text := range slices.Concat(in.CidrIps, in.CidrIpv6s) {
		cidr, err := readCIDR(text)
		if err != nil {
			return nil, err
		}
		gone = append(gone, cidr)
	}
	if len(gone) == 0 {
		return nil, fault.New(fault.InvalidParameter, "Name at least one range in CidrIps or CidrIpv6s.")
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		for _, cidr := range gone {
			at := slices.IndexFunc(record.IPRoutes, routes(cidr))
			if at < 0 {
				return fault.Newf(fault.EntityDoesNotExist, "The route %s does not exist.", cidr)
			}
			record.IPRoutes[at].Status = store.Status{State: IpRouteStatusMsgRemoving, Since: call.Time}
		}
		return nil
	})
	return &RemoveIpRoutesResult{}, err
}
