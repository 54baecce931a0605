package lifecycle

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"latchkey/internal/store"
)

// The values of a setting that is on or off, and the settings that others look at.
const (
	SettingEnable  = "Enable"
	SettingDisable = "Disable"

	SettingAES128 = "AES_128_128"
	SettingAES256 = "AES_256_256"

	compensation = "CERTIFICATE_BACKDATING_COMPENSATION"
	enforcement  = "CERTIFICATE_STRONG_ENFORCEMENT"
	// maxCompensation is 50 years, in seconds.
	maxCompensation = 50 * 365 * 24 * 3600
)

// AWS's states of a setting (API reference, SettingEntry).
const (
	settingRequested = "Requested"
	settingUpdating  = "Updating"
	settingUpdated   = "Updated"
	settingFailed    = "Failed"
)

// SettingKind is a setting that a directory has.
type SettingKind struct {
	Name, Type, DataType string
	// Values are those that it can have; none stands for a number of seconds.
	Values []string
	// Default is what holds while nobody has changed it.
	Default string
}

// Allows says whether the setting can have the value.
func (k SettingKind) Allows(value string) bool {
	if len(k.Values) > 0 {
		return slices.Contains(k.Values, value)
	}
	n, err := strconv.Atoi(value)
	return err == nil && n >= 0 && n <= maxCompensation
}

// settingNames are AWS's switches of protocols and ciphers (AWS Administration Guide, "List of directory security settings"), and
// what they are in the priorities of GnuTLS, which Samba's LDAPS has; "" is what is never offered.
var settingNames = []struct{ kind, name, priority string }{
	{"Protocol", "PCT_1_0", ""},
	{"Protocol", "SSL_2_0", ""},
	{"Protocol", "SSL_3_0", ""},
	{"Protocol", "TLS_1_0", ":-VERS-TLS1.0"},
	{"Protocol", "TLS_1_1", ":-VERS-TLS1.1"},
	{"Cipher", SettingAES128, ":-AES-128-GCM:-AES-128-CCM:-AES-128-CCM-8:-AES-128-CBC"},
	{"Cipher", SettingAES256, ":-AES-256-GCM:-AES-256-CCM:-AES-256-CCM-8:-AES-256-CBC"},
	{"Cipher", "DES_56_56", ""},
	{"Cipher", "RC2_40_128", ""},
	{"Cipher", "RC2_56_128", ""},
	{"Cipher", "RC2_128_128", ""},
	{"Cipher", "RC4_40_128", ""},
	{"Cipher", "RC4_56_128", ""},
	{"Cipher", "RC4_64_128", ""},
	{"Cipher", "RC4_128_128", ""},
}

// SettingsOf is the settings of a directory. What its engine can't change has one value.
func SettingsOf(record store.Directory) []SettingKind {
	real := EngineName(record) == Samba
	kinds := []SettingKind{
		{compensation, "Certificate", "DurationInSeconds", nil, "600"},
		{enforcement, "Certificate", "Enum", []string{"Compatibility", "Full_Enforcement"}, "Compatibility"},
	}
	for _, n := range settingNames {
		kind := SettingKind{n.name, n.kind, "Enum", []string{SettingDisable}, SettingDisable}
		switch {
		case real && n.priority != "":
			kind.Values, kind.Default = []string{SettingEnable, SettingDisable}, SettingEnable
		case n.name == SettingAES128, n.name == SettingAES256:
			kind.Values, kind.Default = []string{SettingEnable}, SettingEnable
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

// SettingValue is what was last asked for, or what holds while nobody has asked.
func SettingValue(record store.Directory, name string) string {
	for _, setting := range record.Settings {
		if setting.Name == name {
			return setting.Requested
		}
	}
	for _, kind := range SettingsOf(record) {
		if kind.Name == name {
			return kind.Default
		}
	}
	return ""
}

// tlsPriority is the settings of a directory as its domain controllers' configuration has them; "" where nothing was changed.
func tlsPriority(record store.Directory) string {
	var without strings.Builder
	for _, n := range settingNames {
		if n.priority != "" && SettingValue(record, n.name) == SettingDisable {
			without.WriteString(n.priority)
		}
	}
	if without.Len() == 0 {
		return ""
	}
	return "NORMAL:-VERS-SSL3.0" + without.String()
}

// settleSettings applies the settings that were asked for. Serving the directory has done so already, or says why not.
func (w *Worker) settleSettings(ctx context.Context, record store.Directory) error {
	if !slices.ContainsFunc(record.Settings, unsettled) {
		return nil
	}
	failed := w.serve(ctx, record)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := w.directories.Update(ctx, record.ID, func(newest *store.Directory) error {
		for i := range newest.Settings {
			setting := &newest.Settings[i]
			at := slices.IndexFunc(record.Settings, func(s store.Setting) bool { return s.Name == setting.Name })
			if at < 0 || !unsettled(*setting) || !record.Settings[at].Requesting.Equal(setting.Requesting) {
				continue
			}
			if failed != nil {
				setting.Status = store.Status{State: settingFailed, Reason: failed.Error(), Since: w.moment()}
				continue
			}
			setting.Applied = setting.Requested
			w.turn(&setting.Status, settingUpdated)
		}
		return nil
	})
	return errors.Join(failed, err)
}

func unsettled(setting store.Setting) bool {
	return setting.State == settingRequested || setting.State == settingUpdating
}
