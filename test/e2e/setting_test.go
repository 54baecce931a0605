package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
	"testing"
)

// settingsOf is the applied values and the states of a directory's settings.
func settingsOf(t *testing.T, call caller, id string, more ...any) (values, states map[string]any) {
	t.Helper()
	values, states = map[string]any{}, map[string]any{}
	for _, entry := range call(t, home, "DescribeSettings", of(id, more...)).list(t, "SettingEntries") {
		values[entry["Name"].(string)], states[entry["Name"].(string)] = entry["AppliedValue"], entry["RequestStatus"]
	}
	return values, states
}

func setting(pairs ...string) []map[string]any {
	all := []map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, map[string]any{"Name": pairs[i], "Value": pairs[i+1]})
	}
	return all
}

// TestSettings: what an embedded directory can't change stays as it is, and says so.
func TestSettings(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	update := func(id string, pairs ...string) answer {
		return call(t, home, "UpdateSettings", of(id, "Settings", setting(pairs...)))
	}
	values, states := settingsOf(t, call, corpID)
	if len(values) != 17 || values["TLS_1_0"] != "Disable" || values["AES_256_256"] != "Enable" || states["TLS_1_0"] != "Default" {
		t.Errorf("%v %v", values, states)
	}
	update(corpID, "CERTIFICATE_STRONG_ENFORCEMENT", "Full_Enforcement", "CERTIFICATE_BACKDATING_COMPENSATION", "60").accepted(t)
	await(t, "Updated", func() bool {
		values, states := settingsOf(t, call, corpID, "Status", "Updated")
		return len(values) == 2 && values["CERTIFICATE_STRONG_ENFORCEMENT"] == "Full_Enforcement" && values["CERTIFICATE_BACKDATING_COMPENSATION"] == "60" && states["CERTIFICATE_BACKDATING_COMPENSATION"] == "Updated"
	})
	update(corpID, "TLS_1_0", "Enable").refused(t, "UnsupportedSettingsException", "TLS_1_0")
	update(corpID, "AES_128_128", "Disable").refused(t, "UnsupportedSettingsException", "AES_128_128")
	update(corpID, "NO_SUCH", "Enable").refused(t, "UnsupportedSettingsException", "NO_SUCH")
	update(corpID, "CERTIFICATE_BACKDATING_COMPENSATION", "soon").refused(t, "UnsupportedSettingsException", "soon")
	update(corpID).refused(t, "InvalidParameterException", "empty")
	update(corpID, "TLS_1_0", "Disable", "TLS_1_0", "Disable").refused(t, "InvalidParameterException", "more than once")
	update(labID, "TLS_1_0", "Disable").refused(t, "UnsupportedOperationException", "only supported for Microsoft AD")
	update(noID, "TLS_1_0", "Disable").refused(t, "DirectoryDoesNotExistException", noID)
	call(t, home, "DescribeSettings", of(labID)).refused(t, "UnsupportedOperationException", "only supported for Microsoft AD")
	call(t, home, "DescribeSettings", of(corpID, "NextToken", "forged")).refused(t, "InvalidNextTokenException", "")
}

// TestSettingsSamba: a domain controller stops offering what is disabled, and offers it again.
func TestSettingsSamba(t *testing.T) {
	t.Parallel()
	needSamba(t)
	const address = "127.82.20.1"
	s := start(t, "", onSamba(1, address))
	call := goClient(t, s)
	a := call(t, home, "CreateMicrosoftAD", managed("settings.example.com"))
	a.accepted(t)
	id, _ := a.Output["DirectoryId"].(string)
	awaitStage(t, call, id, "Active")
	text, err := os.ReadFile(s.caFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	offers := func(version uint16, suites ...uint16) bool {
		conn, err := tls.Dial("tcp", address+":636", &tls.Config{RootCAs: roots, MinVersion: version, MaxVersion: version, CipherSuites: suites})
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	var aes128 []uint16
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		switch suite.ID {
		case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:
			aes128 = append(aes128, suite.ID)
		}
	}
	update := func(pairs ...string) {
		t.Helper()
		call(t, home, "UpdateSettings", of(id, "Settings", setting(pairs...))).accepted(t)
		await(t, "Updated", func() bool {
			values, states := settingsOf(t, call, id)
			return values[pairs[0]] == pairs[1] && states[pairs[0]] == "Updated"
		})
	}
	if !offers(tls.VersionTLS11) || !offers(tls.VersionTLS12, aes128...) {
		t.Fatal("TLS 1.1 and AES-128 are not offered at first: the test would prove nothing")
	}
	update("TLS_1_1", "Disable", "AES_128_128", "Disable")
	if offers(tls.VersionTLS11) || offers(tls.VersionTLS12, aes128...) || !offers(tls.VersionTLS12) {
		t.Errorf("TLS 1.1: %v, AES-128: %v, TLS 1.2: %v", offers(tls.VersionTLS11), offers(tls.VersionTLS12, aes128...), offers(tls.VersionTLS12))
	}
	call(t, home, "UpdateSettings", of(id, "Settings", setting("AES_256_256", "Disable"))).refused(t, "IncompatibleSettingsException", "Leave one")
	update("TLS_1_1", "Enable", "AES_128_128", "Enable")
	if !offers(tls.VersionTLS11) || !offers(tls.VersionTLS12, aes128...) {
		t.Error("TLS 1.1 and AES-128 are not offered again")
	}
	call(t, home, "ResetUserPassword", reset(id, "Admin", nextPassword)).accepted(t)
}
