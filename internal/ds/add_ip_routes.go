package ds

import (
	"context"
	"net/netip"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// routeLimit is how many routes a directory has at most (API reference, AddIpRoutes).
const routeLimit = 100

// addIpRoutes notes the address ranges that a directory's domain controllers are to reach (API reference, AddIpRoutes).
func (s *Service) addIPRoutes(ctx context.Context, call *operation.Call, in *AddIpRoutesRequest) (*AddIpRoutesResult, error) {
	record, err := s.findRoutable(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	var added []store.IPRoute
	for _, route := range in.IpRoutes {
		if (route.CidrIp == nil) == (route.CidrIpv6 == nil) {
			return nil, fault.New(fault.InvalidParameter, "A route has either a CidrIp or a CidrIpv6.")
		}
		cidr, err := readCIDR(value(route.CidrIp) + value(route.CidrIpv6))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(added, routes(cidr)) {
			return nil, fault.Newf(fault.InvalidParameter, "The route %s is there more than once.", cidr)
		}
		added = append(added, store.IPRoute{
			CIDR: cidr, Description: value(route.Description), Added: call.Time, Status: store.Status{State: IpRouteStatusMsgAdding, Since: call.Time},
		})
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		for _, route := range added {
			if slices.ContainsFunc(record.IPRoutes, routes(route.CIDR)) {
				return fault.Newf(fault.EntityAlreadyExists, "The route %s exists already.", route.CIDR)
			}
		}
		if record.IPRoutes = append(record.IPRoutes, added...); len(record.IPRoutes) > routeLimit {
			return fault.Newf(fault.IpRouteLimitExceeded, "A directory has at most %d IP routes.", routeLimit)
		}
		return nil
	})
	return &AddIpRoutesResult{}, err
}

// findRoutable is find for a directory that has routes.
func (s *Service) findRoutable(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.find(call, id)
	if err == nil && record.Type != string(directory.MicrosoftAD) {
		err = fault.Newf(fault.Client, "The operation is not supported for a directory of the type %s.", record.Type)
	}
	return record, err
}

func routes(cidr string) func(store.IPRoute) bool {
	return func(r store.IPRoute) bool { return r.CIDR == cidr }
}

// readCIDR is a range of addresses in its one form, without bits beyond its length.
func readCIDR(text string) (string, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return "", fault.Newf(fault.InvalidParameter, "%s is not a range of addresses.", text).Because(err)
	}
	return prefix.Masked().String(), nil
}
