package ds

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// describeSettings lists the settings of a directory by their names: those that were never changed with what holds anyway (API
// reference, DescribeSettings).
func (s *Service) describeSettings(_ context.Context, call *operation.Call, in *DescribeSettingsRequest) (*DescribeSettingsResult, error) {
	record, err := s.findSettable(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	var entries []SettingEntry
	for _, kind := range lifecycle.SettingsOf(record) {
		entry := describeSetting(record, kind)
		if in.Status == nil || *entry.RequestStatus == *in.Status {
			entries = append(entries, entry)
		}
	}
	slices.SortFunc(entries, func(a, b SettingEntry) int { return cmp.Compare(*a.Name, *b.Name) })
	list := "DescribeSettings/" + record.ID + "/" + value(in.Status)
	page, next, err := pageOf(s, call, list, in.NextToken, nil, entries, func(e SettingEntry) string { return *e.Name })
	return &DescribeSettingsResult{DirectoryId: &record.ID, SettingEntries: append([]SettingEntry{}, page...), NextToken: next}, err
}

func describeSetting(record store.Directory, kind lifecycle.SettingKind) SettingEntry {
	status := DirectoryConfigurationStatusDefault
	entry := SettingEntry{Name: &kind.Name, Type: &kind.Type, DataType: &kind.DataType, AppliedValue: &kind.Default, RequestedValue: &kind.Default, RequestStatus: &status}
	if len(kind.Values) > 0 {
		// A list of texts always has a JSON form.
		text, _ := json.Marshal(kind.Values)
		allowed := string(text)
		entry.AllowedValues = &allowed
	}
	at := slices.IndexFunc(record.Settings, func(setting store.Setting) bool { return setting.Name == kind.Name })
	if at < 0 {
		return entry
	}
	setting := record.Settings[at]
	entry.AppliedValue, entry.RequestedValue, entry.RequestStatus = &setting.Applied, &setting.Requested, &setting.State
	entry.RequestStatusMessage = optional(setting.Reason)
	entry.LastRequestedDateTime, entry.LastUpdatedDateTime = wire.At(setting.Requesting), wire.At(setting.Since)
	entry.RequestDetailedStatus = map[string]string{record.Region: setting.State}
	return entry
}

// findSettable is findDirectory for one that has settings.
func (s *Service) findSettable(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.findDirectory(call, id)
	if err == nil && record.Type != string(directory.MicrosoftAD) {
		err = fault.New(fault.UnsupportedOperation, "This operation is only supported for Microsoft AD")
	}
	return record, err
}
