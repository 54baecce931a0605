package ds

import (
	"context"

	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// describeLDAPSSettings tells the state of LDAPS (API reference, DescribeLDAPSSettings).
func (s *Service) describeLDAPSSettings(_ context.Context, call *operation.Call, in *DescribeLDAPSSettingsRequest) (*DescribeLDAPSSettingsResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(s, call, "DescribeLDAPSSettings/"+record.ID, in.NextToken, in.Limit, []store.Status{record.LDAPS}, func(store.Status) string { return "Client" })
	out := &DescribeLDAPSSettingsResult{LDAPSSettingsInfo: []LDAPSSettingInfo{}, NextToken: next}
	for _, status := range page {
		state := ldapsState(record)
		info := LDAPSSettingInfo{LDAPSStatus: &state, LDAPSStatusReason: optional(status.Reason)}
		if !status.Since.IsZero() {
			info.LastUpdatedDateTime = wire.At(status.Since)
		}
		out.LDAPSSettingsInfo = append(out.LDAPSSettingsInfo, info)
	}
	return out, err
}
