package ds

import (
	"context"
	"encoding/base64"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// pageSize is how many directories an answer holds when the request has no Limit, or a greater one.
const pageSize = 100

// describeDirectories lists the caller's directories of the Region, by their ids (API reference, DescribeDirectories).
func (s *Service) describeDirectories(_ context.Context, call *operation.Call, in *DescribeDirectoriesRequest) (*DescribeDirectoriesResult, error) {
	after, err := s.openToken(call, in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := pageSize
	if in.Limit != nil && *in.Limit > 0 {
		limit = min(limit, int(*in.Limit))
	}
	var records []store.Directory
	switch {
	case in.DirectoryIds == nil:
		records = s.Directories.All(call.Account, call.Region, after, limit+1)
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
		out.NextToken = s.sealToken(call, records[limit-1].ID)
	}
	for _, record := range records {
		out.DirectoryDescriptions = append(out.DirectoryDescriptions, describe(record))
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

// A token is the id of the page's last directory, sealed: it stays right while directories come and go, and holds for
// the account and Region it was made for.
func (s *Service) sealToken(call *operation.Call, last string) *string {
	token := base64.RawURLEncoding.EncodeToString(s.Tokens.Seal([]byte(last), tokenOwner(call)))
	return &token
}

func (s *Service) openToken(call *operation.Call, token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	invalid := fault.New(fault.InvalidNextToken, "Invalid value passed for the NextToken parameter")
	sealed, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return "", invalid.Because(err)
	}
	last, err := s.Tokens.Open(sealed, tokenOwner(call))
	if err != nil {
		return "", invalid.Because(err)
	}
	return string(last), nil
}

func tokenOwner(call *operation.Call) string {
	return "DescribeDirectories/" + call.Account + "/" + call.Region
}

// describe is a record in AWS's form. What only exists on AWS is left out, or shown as the caller gave it.
func describe(record store.Directory) DirectoryDescription {
	accessURL := record.ID + ".awsapps.com"
	controllers, sso := int32(0), false
	d := DirectoryDescription{
		DirectoryId: &record.ID, Name: &record.Name, ShortName: &record.ShortName, Type: &record.Type, Stage: &record.Stage,
		Alias: &record.ID, AccessUrl: &accessURL, SsoEnabled: &sso, DesiredNumberOfDomainControllers: &controllers,
		LaunchTime: wire.At(record.LaunchTime), StageLastUpdatedDateTime: wire.At(record.StageTime),
		Size: optional(record.Size), Edition: optional(record.Edition), Description: optional(record.Description), StageReason: optional(record.StageReason),
	}
	if record.Type == string(directory.MicrosoftAD) {
		controllers = 2
		d.RegionsInfo = &RegionsInfo{PrimaryRegion: &record.Region}
	}
	if record.VPC != nil {
		d.VpcSettings = &DirectoryVpcSettingsDescription{VpcId: &record.VPC.ID, SubnetIds: record.VPC.Subnets}
	}
	return d
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
