package ds

import (
	"cmp"
	"context"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// describeRegions lists the Regions that a directory is in (API reference, DescribeRegions).
func (s *Service) describeRegions(_ context.Context, call *operation.Call, in *DescribeRegionsRequest) (*DescribeRegionsResult, error) {
	record, err := s.findDirectory(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	primary := store.Region{
		Name: record.Region, Controllers: *describe(record).DesiredNumberOfDomainControllers, LaunchTime: record.LaunchTime,
		Status: store.Status{State: record.Stage, Since: record.StageTime},
	}
	if record.VPC != nil {
		primary.VPC = *record.VPC
	}
	regions := slices.SortedFunc(slices.Values(append([]store.Region{primary}, record.Regions...)), func(a, b store.Region) int { return cmp.Compare(a.Name, b.Name) })
	if in.RegionName != nil {
		regions = slices.DeleteFunc(regions, func(r store.Region) bool { return r.Name != *in.RegionName })
	}
	page, next, err := pageOf(s, call, "DescribeRegions/"+record.ID, in.NextToken, nil, regions, func(r store.Region) string { return r.Name })
	out := &DescribeRegionsResult{RegionsDescription: []RegionDescription{}, NextToken: next}
	for _, r := range page {
		kind := RegionTypeAdditional
		if r.Name == record.Region {
			kind = RegionTypePrimary
		}
		out.RegionsDescription = append(out.RegionsDescription, RegionDescription{
			DirectoryId: &record.ID, RegionName: &r.Name, RegionType: &kind, Status: &r.State, DesiredNumberOfDomainControllers: &r.Controllers,
			LaunchTime: wire.At(r.LaunchTime), StatusLastUpdatedDateTime: wire.At(r.Since), LastUpdatedDateTime: wire.At(r.Since),
			VpcSettings: &DirectoryVpcSettings{VpcId: optional(r.VPC.ID), SubnetIds: r.VPC.Subnets},
		})
	}
	return out, err
}
