package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"latchkey/internal/config"
)

const radiusSecret = marker + "-radius"

// radiusServer runs FreeRADIUS, which rejects everybody, and knows clients of 127.0.0.0/8 by the secret.
func radiusServer(t *testing.T, address string) {
	t.Helper()
	path := "/usr/sbin/freeradius"
	if _, err := os.Stat(path); err != nil {
		missing(t, "freeradius", "apt-get install freeradius")
	}
	dir := t.TempDir()
	configuration := fmt.Sprintf(`
prefix = %[1]s
confdir = %[1]s
logdir = %[1]s
raddbdir = %[1]s
run_dir = %[1]s
libdir = /usr/lib/freeradius
log {
	destination = stdout
}
client tests {
	ipaddr = 127.0.0.0/8
	secret = %[3]q
	require_message_authenticator = yes
}
server default {
	listen {
		type = auth
		ipaddr = %[2]s
		port = 18120
	}
	authorize {
		reject
	}
	authenticate {
	}
}
modules {
	always reject {
		rcode = reject
	}
}
`, dir, address, radiusSecret)
	if err := os.WriteFile(filepath.Join(dir, "radiusd.conf"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	var said safeBuffer
	command := exec.Command(path, "-f", "-l", "stdout", "-d", dir, "-n", "radiusd")
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
	defer func() {
		if t.Failed() {
			t.Log(said.String())
		}
	}()
	await(t, "FreeRADIUS", func() bool { return strings.Contains(said.String(), "Ready to process requests") })
}

// TestRadius: settings are Completed when a server knows the secret, and Failed when none does.
func TestRadius(t *testing.T) {
	t.Parallel()
	const address = "127.82.24.8"
	radiusServer(t, address)
	s := start(t, worldSeed)
	call := goClient(t, s)
	settings := func(secret string, servers ...string) map[string]any {
		return map[string]any{
			"RadiusServers": servers, "RadiusPort": 18120, "RadiusTimeout": 1, "RadiusRetries": 1, "SharedSecret": secret, "AuthenticationProtocol": "PAP",
			"DisplayLabel": "Token", "UseSameUsername": true,
		}
	}
	state := func() any { return described(t, call, home, corpID)["RadiusStatus"] }
	enable := func(id string, settings map[string]any) answer {
		return call(t, home, "EnableRadius", of(id, "RadiusSettings", settings))
	}
	update := func(settings map[string]any) answer {
		return call(t, home, "UpdateRadius", of(corpID, "RadiusSettings", settings))
	}

	update(settings(radiusSecret, address)).refused(t, "EntityDoesNotExistException", "not enabled")
	enable(corpID, settings(radiusSecret)).refused(t, "InvalidParameterException", "required")
	enable(corpID, settings(marker+"-wrong-secret", address)).accepted(t)
	await(t, "Failed", func() bool { return state() == "Failed" })
	enable(corpID, settings(radiusSecret, address)).refused(t, "EntityAlreadyExistsException", "already")
	update(settings(radiusSecret, "127.82.24.6", address)).accepted(t)
	await(t, "Completed", func() bool { return state() == "Completed" })
	shown := described(t, call, home, corpID)["RadiusSettings"].(map[string]any)
	if fmt.Sprint(shown["RadiusServers"]) != "[127.82.24.6 127.82.24.8]" || shown["RadiusPort"] != 18120.0 || shown["DisplayLabel"] != "Token" || shown["UseSameUsername"] != true || shown["SharedSecret"] != radiusSecret {
		t.Errorf("%v", shown)
	}
	update(map[string]any{"RadiusServers": []string{"127.82.24.6"}}).accepted(t)
	await(t, "Failed", func() bool { return state() == "Failed" })
	call(t, home, "DisableRadius", of(corpID)).accepted(t)
	if d := described(t, call, home, corpID); d["RadiusSettings"] != nil || d["RadiusStatus"] != "" {
		t.Errorf("%v", d)
	}
	call(t, home, "DisableRadius", of(corpID)).refused(t, "EntityDoesNotExistException", "not enabled")

	// Servers that are silent don't keep newer settings waiting.
	silent(t, "127.82.24.7:18120")
	patient := settings(radiusSecret, "127.82.24.7")
	patient["RadiusTimeout"], patient["RadiusRetries"] = 50, 10
	enable(corpID, patient).accepted(t)
	if state() != "Creating" {
		t.Errorf("before an answer: %v", state())
	}
	update(settings(radiusSecret, address)).accepted(t)
	await(t, "Completed", func() bool { return state() == "Completed" })
	update(patient).accepted(t)

	// A connector has them as well. What is tried when the server stops is tried again when it starts.
	connected := call(t, home, "ConnectDirectory", connecting("corp.example.com", "jane", firstPassword, "127.0.0.1"))
	connected.accepted(t)
	connector, _ := connected.Output["DirectoryId"].(string)
	settled(t, call, connector)
	later := settings(radiusSecret, "127.82.24.6", "::1")
	later["RadiusTimeout"], later["RadiusRetries"] = 1, 10
	later["RadiusServers"], later["RadiusServersIpv6"] = []string{"127.82.24.6"}, []string{"::1"}
	enable(connector, later).accepted(t)
	s.stop()
	radiusServer(t, "127.82.24.6")
	s = start(t, "", func(c *config.Config) { c.Data = s.data })
	call = goClient(t, s)
	await(t, "Completed", func() bool { return described(t, call, home, connector)["RadiusStatus"] == "Completed" })
	if shown := described(t, call, home, connector)["RadiusSettings"].(map[string]any); fmt.Sprint(shown["RadiusServers"], shown["RadiusServersIpv6"]) != "[127.82.24.6] [::1]" {
		t.Errorf("%v", shown)
	}
	call(t, home, "DeleteDirectory", of(corpID)).accepted(t)
	gone(t, call, home, corpID)

	enable(labID, settings(radiusSecret, address)).refused(t, "ClientException", "SimpleAD")
	enable(noID, settings(radiusSecret, address)).refused(t, "EntityDoesNotExistException", noID)
	update(settings(radiusSecret, address)).refused(t, "EntityDoesNotExistException", corpID)
	call(t, home, "UpdateRadius", of(connector, "RadiusSettings", settings(radiusSecret, "not a host"))).refused(t, "InvalidParameterException", "neither an IP address nor")
	call(t, home, "DisableRadius", of(labID)).refused(t, "ClientException", "SimpleAD")
	call(t, home, "UpdateRadius", of(labID, "RadiusSettings", settings(radiusSecret, address))).refused(t, "ClientException", "SimpleAD")
	enable(connector, settings(radiusSecret, "not a host")).refused(t, "InvalidParameterException", "neither an IP address nor")
	enable(connector, settings(radiusSecret, strings.Split(strings.Repeat("radius.example.com,", 11), ",")[:11]...)).refused(t, "InvalidParameterException", "at most")
	s.stop()
	noSecrets(t, s)
}
