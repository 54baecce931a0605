package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// updateSettings changes settings of a directory (API reference, UpdateSettings). They are applied in the background.
func (s *Service) updateSettings(ctx context.Context, call *operation.Call, in *UpdateSettingsRequest) (*UpdateSettingsResult, error) {
	record, err := s.findSettable(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	if len(in.Settings) == 0 {
		return nil, fault.New(fault.InvalidParameter, "Settings must not be empty.")
	}
	kinds := lifecycle.SettingsOf(record)
	for i, wanted := range in.Settings {
		at := slices.IndexFunc(kinds, func(k lifecycle.SettingKind) bool { return k.Name == *wanted.Name })
		switch {
		case at < 0:
			return nil, fault.Newf(fault.UnsupportedSettings, "The directory setting %s is not supported.", *wanted.Name)
		case slices.ContainsFunc(in.Settings[:i], func(other Setting) bool { return *other.Name == *wanted.Name }):
			return nil, fault.Newf(fault.InvalidParameter, "The directory setting %s is there more than once.", *wanted.Name)
		case !kinds[at].Allows(*wanted.Value):
			return nil, fault.Newf(fault.UnsupportedSettings, "The value %s of the directory setting %s is not supported by this directory.", *wanted.Value, *wanted.Name)
		}
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		for _, wanted := range in.Settings {
			at := slices.IndexFunc(record.Settings, func(setting store.Setting) bool { return setting.Name == *wanted.Name })
			if at < 0 {
				at = len(record.Settings)
				record.Settings = append(record.Settings, store.Setting{Name: *wanted.Name, Applied: lifecycle.SettingValue(*record, *wanted.Name)})
			}
			setting := &record.Settings[at]
			setting.Requested, setting.Requesting = *wanted.Value, call.Time
			setting.Status = store.Status{State: DirectoryConfigurationStatusRequested, Since: call.Time}
		}
		if lifecycle.SettingValue(*record, lifecycle.SettingAES128) == lifecycle.SettingDisable && lifecycle.SettingValue(*record, lifecycle.SettingAES256) == lifecycle.SettingDisable {
			return fault.New(fault.IncompatibleSettings, "Without both AES_128_128 and AES_256_256 hardly any client could connect. Leave one of them enabled.")
		}
		return nil
	})
	return &UpdateSettingsResult{DirectoryId: &record.ID}, err
}
