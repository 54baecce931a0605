package ds

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// listIPRoutes lists the address ranges of a directory (API reference, ListIpRoutes).
func (s *Service) listIPRoutes(_ context.Context, call *operation.Call, in *ListIpRoutesRequest) (*ListIpRoutesResult, error) {
	record, err := s.findRoutable(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	sorted := slices.SortedFunc(slices.Values(record.IPRoutes), func(a, b store.IPRoute) int { return cmp.Compare(a.CIDR, b.CIDR) })
	page, next, err := pageOf(s, call, "ListIpRoutes/"+record.ID, in.NextToken, in.Limit, sorted, func(r store.IPRoute) string { return r.CIDR })
	out := &ListIpRoutesResult{IpRoutesInfo: []IpRouteInfo{}, NextToken: next}
	for _, route := range page {
		info := IpRouteInfo{
			DirectoryId: &record.ID, Description: optional(route.Description), AddedDateTime: wire.At(route.Added),
			IpRouteStatusMsg: &route.State, IpRouteStatusReason: optional(route.Reason),
		}
		if strings.Contains(route.CIDR, ":") {
			info.CidrIpv6 = &route.CIDR
		} else {
			info.CidrIp = &route.CIDR
		}
		out.IpRoutesInfo = append(out.IpRoutesInfo, info)
	}
	return out, err
}
