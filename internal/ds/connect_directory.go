package ds

import (
	"context"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// connectDirectory makes an AD Connector to a domain that is there already (API reference, ConnectDirectory). The account is
// proved in the background: the directory is Failed, with the reason, where the domain refuses it.
func (s *Service) connectDirectory(ctx context.Context, call *operation.Call, in *ConnectDirectoryRequest) (*ConnectDirectoryResult, error) {
	settings := in.ConnectSettings
	vpc, err := readVPC(&DirectoryVpcSettings{VpcId: settings.VpcId, SubnetIds: settings.SubnetIds})
	if err != nil {
		return nil, err
	}
	if count := len(settings.CustomerDnsIps) + len(settings.CustomerDnsIpsV6); count == 0 || count > maxDNSServers {
		return nil, fault.Newf(fault.InvalidParameter, "Name 1 to %d DNS servers of the domain in CustomerDnsIps and CustomerDnsIpsV6.", maxDNSServers)
	}
	record := store.Directory{
		Account: call.Account, Region: call.Region, Type: lifecycle.ADConnector, Name: strings.ToLower(*in.Name), Size: *in.Size, Engine: lifecycle.Connector,
		Description: value(in.Description), Network: value(in.NetworkType),
		Connect: &store.Connect{VPC: *vpc, DNS: settings.CustomerDnsIps, DNS6: settings.CustomerDnsIpsV6, UserName: *settings.CustomerUserName},
	}
	record.ShortName = strings.ToUpper(orElse(value(in.ShortName), directory.DefaultShortName(record.Name)))
	if err := checkNames(record); err != nil {
		return nil, err
	}
	if record.Tags, err = readTags(in.Tags); err != nil {
		return nil, err
	}
	if len(record.Tags) > tagLimit {
		return nil, fault.Newf(fault.InvalidParameter, "A directory has at most %d tags.", tagLimit)
	}
	if err := s.checkLimit(call, record.Type); err != nil {
		return nil, err
	}
	record.Connect.Local = s.ownDomain(call, record.Name)
	record, err = s.Lifecycle.Create(ctx, record, in.Password.Bytes())
	if err != nil {
		return nil, StoreFault(record.ID, err)
	}
	return &ConnectDirectoryResult{DirectoryId: &record.ID}, nil
}

const maxDNSServers = 8

// ownDomain is the id of the caller's embedded directory of that name, in any Region; "" if there is none.
func (s *Service) ownDomain(call *operation.Call, name string) string {
	own := s.Directories.Where(func(record store.Directory) bool {
		return record.Account == call.Account && record.Name == name && lifecycle.EngineName(record) == lifecycle.Embedded && record.Share == nil && record.Stage != lifecycle.Deleting
	}, "", 1)
	if len(own) == 0 {
		return ""
	}
	return own[0].ID
}
