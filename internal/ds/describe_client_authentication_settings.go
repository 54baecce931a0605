package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

// describeClientAuthenticationSettings tells how users may log in with certificates: Disabled, unless somebody enabled it (API
// reference, DescribeClientAuthenticationSettings).
func (s *Service) describeClientAuthenticationSettings(_ context.Context, call *operation.Call, in *DescribeClientAuthenticationSettingsRequest) (*DescribeClientAuthenticationSettingsResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if in.NextToken != nil {
		return nil, fault.New(fault.InvalidParameter, "Invalid value passed for the NextToken parameter")
	}
	out := &DescribeClientAuthenticationSettingsResult{ClientAuthenticationSettingsInfo: []ClientAuthenticationSettingInfo{}}
	for _, kind := range []string{ClientAuthenticationTypeSmartCard, ClientAuthenticationTypeSmartCardOrPassword} {
		if in.Type != nil && *in.Type != kind {
			continue
		}
		state := ClientAuthenticationStatusDisabled
		info := ClientAuthenticationSettingInfo{Type: &kind, Status: &state}
		if status, ok := record.ClientAuth[kind]; ok {
			info.Status, info.LastUpdatedDateTime = &status.State, wire.At(status.Since)
		}
		out.ClientAuthenticationSettingsInfo = append(out.ClientAuthenticationSettingsInfo, info)
	}
	return out, nil
}
