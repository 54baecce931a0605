package ds

import "latchkey/internal/operation"

const settingNote = "TLS versions and ciphers are real on Samba, where every protocol and cipher that is not offered can only stay disabled; an embedded directory has TLS 1.2 and 1.3 and nothing to choose; the settings of certificates are kept"

// settingRows are about a directory's settings.
func (s *Service) settingRows() []operation.Spec {
	return []operation.Spec{
		operation.New("DescribeSettings", operation.Read, func(in *DescribeSettingsRequest) string { return *in.DirectoryId }, s.describeSettings),
		operation.New("UpdateSettings", operation.Write, func(in *UpdateSettingsRequest) string { return *in.DirectoryId }, s.updateSettings).With(operation.Real, settingNote),
	}
}
