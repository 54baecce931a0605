package ds

import (
	"context"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// pageSize is how many directories an answer holds when the request has no Limit, or a greater one.
const pageSize = 100

// describeDirectories lists the caller's directories of the Region, by their ids (API reference, DescribeDirectories).
func (s *Service) describeDirectories(_ context.Context, call *operation.Call, in *DescribeDirectoriesRequest) (*DescribeDirectoriesResult, error) {
	after, err := s.openToken(call, "DescribeDirectories", in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := pageLimit(in.Limit, pageSize)
	var records []store.Directory
	switch {
	case in.DirectoryIds == nil:
		records = s.Directories.Where(func(record store.Directory) bool {
			return record.Account == call.Account && inRegion(record, call.Region)
		}, after, limit+1)
	case len(in.DirectoryIds) == 0:
		return nil, fault.New(fault.InvalidParameter, "DirectoryIds must not be empty.")
	default:
		if records, err = s.chosen(call, in.DirectoryIds, after, limit+1); err != nil {
			return nil, err
		}
	}
	out := &DescribeDirectoriesResult{DirectoryDescriptions: make([]DirectoryDescription, 0, len(records))}
	if len(records) > limit {
		records = records[:limit]
		out.NextToken = s.sealToken(call, "DescribeDirectories", records[limit-1].ID)
	}
	for _, record := range records {
		out.DirectoryDescriptions = append(out.DirectoryDescriptions, s.describe(call, record))
	}
	return out, nil
}

func (s *Service) chosen(call *operation.Call, ids []string, after string, limit int) ([]store.Directory, error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	var records []store.Directory
	for _, id := range slices.Compact(ids) {
		record, err := s.find(call, id)
		if err != nil {
			return nil, err
		}
		if id > after && len(records) < limit {
			records = append(records, record)
		}
	}
	return records, nil
}

// describe is a record in AWS's form, as its account sees it.
func (s *Service) describe(call *operation.Call, record store.Directory) DirectoryDescription {
	d := s.describeAny(record)
	if record.Share == nil {
		s.showSecret(call, record, d.RadiusSettings)
		return d
	}
	share := record.Share
	d.ShareMethod, d.ShareStatus, d.RegionsInfo = &share.Method, shareStatus(record), nil
	if share.Notes != "" {
		d.ShareNotes = wire.NewSecret([]byte(share.Notes))
	}
	d.OwnerDirectoryDescription = &OwnerDirectoryDescription{AccountId: &share.OwnerAccount, DirectoryId: &share.OwnerDirectory}
	if owner, err := s.Lifecycle.Owner(record); err == nil {
		of := s.describeAny(owner)
		d.Stage, d.StageReason, d.StageLastUpdatedDateTime = of.Stage, of.StageReason, of.StageLastUpdatedDateTime
		if record.Stage == lifecycle.Deleting {
			d.Stage = &record.Stage
		}
		d.DnsIpAddrs, d.OsVersion, d.NetworkType, d.DesiredNumberOfDomainControllers = of.DnsIpAddrs, of.OsVersion, of.NetworkType, of.DesiredNumberOfDomainControllers
		d.OwnerDirectoryDescription.DnsIpAddrs, d.OwnerDirectoryDescription.VpcSettings = of.DnsIpAddrs, of.VpcSettings
		d.OwnerDirectoryDescription.NetworkType = of.NetworkType
		d.OwnerDirectoryDescription.RadiusSettings, d.OwnerDirectoryDescription.RadiusStatus = of.RadiusSettings, of.RadiusStatus
	}
	return d
}

// describeAny is a record in AWS's form, with the DNS of this server where that has the directory's names.
func (s *Service) describeAny(record store.Directory) DirectoryDescription {
	d := describe(record)
	if lifecycle.EngineName(record) == lifecycle.Embedded && record.Share == nil {
		d.DnsIpAddrs = s.DNS
	}
	return d
}

// describe is a record in AWS's form. What only exists on AWS is left out, or shown as the caller gave it.
func describe(record store.Directory) DirectoryDescription {
	alias := orElse(record.Alias, record.ID)
	accessURL := alias + ".awsapps.com"
	controllers, network := int32(0), networkType(record)
	d := DirectoryDescription{
		DirectoryId: &record.ID, Name: &record.Name, ShortName: &record.ShortName, Type: &record.Type, Stage: &record.Stage,
		Alias: &alias, AccessUrl: &accessURL, SsoEnabled: &record.SSO, NetworkType: &network, DesiredNumberOfDomainControllers: &controllers,
		LaunchTime: wire.At(record.LaunchTime), StageLastUpdatedDateTime: wire.At(record.StageTime),
		Size: optional(record.Size), Edition: optional(record.Edition), Description: optional(record.Description), StageReason: optional(record.StageReason),
	}
	for _, c := range record.Controllers {
		if c.Stage != lifecycle.Deleting {
			d.DnsIpAddrs = append(d.DnsIpAddrs, c.Address)
		}
	}
	if record.Type == string(directory.MicrosoftAD) {
		if controllers = int32(len(d.DnsIpAddrs)); controllers == 0 { //nolint:gosec // at most 20
			controllers = 2
		}
		d.RegionsInfo = &RegionsInfo{PrimaryRegion: &record.Region}
		for _, region := range record.Regions {
			d.RegionsInfo.AdditionalRegions = append(d.RegionsInfo.AdditionalRegions, region.Name)
		}
		version := osVersion(record)
		d.OsVersion = &version
	}
	if record.Radius != nil {
		d.RadiusSettings, d.RadiusStatus = describeRADIUS(record.Radius), &record.Radius.State
	}
	if connect := record.Connect; connect != nil {
		d.DnsIpAddrs, d.DnsIpv6Addrs = connect.DNS, connect.DNS6
		d.ConnectSettings = &DirectoryConnectSettingsDescription{VpcId: &connect.VPC.ID, SubnetIds: connect.VPC.Subnets, CustomerUserName: &connect.UserName}
	}
	if record.VPC != nil {
		d.VpcSettings = &DirectoryVpcSettingsDescription{VpcId: &record.VPC.ID, SubnetIds: record.VPC.Subnets}
	}
	return d
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
