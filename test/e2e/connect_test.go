package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"latchkey/internal/config"
)

// connecting is the input of ConnectDirectory.
func connecting(name, user, password string, servers ...string) map[string]any {
	return map[string]any{
		"Name": name, "Password": password, "Size": "Small", "ShortName": "CORP", "Description": "Made by a test",
		"ConnectSettings": map[string]any{"VpcId": "vpc-12345678", "SubnetIds": []string{"subnet-11111111", "subnet-22222222"}, "CustomerUserName": user, "CustomerDnsIps": servers},
	}
}

// settled waits until a directory is made or has failed.
func settled(t *testing.T, call caller, id string) (d map[string]any) {
	t.Helper()
	await(t, "a stage to stay in", func() bool {
		d = described(t, call, home, id)
		return d["Stage"] != "Requested" && d["Stage"] != "Creating"
	})
	return d
}

// TestConnect: a connector proves its account to the domain, shows how it is connected, and leaves the domain alone.
func TestConnect(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	made := call(t, home, "ConnectDirectory", connecting("corp.example.com", "jane", firstPassword, "127.0.0.1", "127.0.0.2"))
	made.accepted(t)
	id, _ := made.Output["DirectoryId"].(string)
	d := settled(t, call, id)
	connected, _ := d["ConnectSettings"].(map[string]any)
	if d["Stage"] != "Active" || d["Type"] != "ADConnector" || d["Size"] != "Small" || d["VpcSettings"] != nil || connected["CustomerUserName"] != "jane" || connected["VpcId"] != "vpc-12345678" {
		t.Errorf("%v", d)
	}
	call(t, home, "ResetUserPassword", reset(id, "jane", nextPassword)).refused(t, "UnsupportedOperationException", "ADConnector")
	call(t, home, "GetSnapshotLimits", of(id)).refused(t, "ClientException", "")
	call(t, home, "CreateSnapshot", of(id)).refused(t, "ClientException", "")
	limits := call(t, home, "GetDirectoryLimits", map[string]any{})
	limits.accepted(t)
	if got := limits.Output["DirectoryLimits"].(map[string]any)["ConnectedDirectoriesCurrentCount"]; got != 1.0 {
		t.Errorf("%v connectors", got)
	}

	s.stop()
	again := start(t, "", func(c *config.Config) { c.Data = s.data })
	call = goClient(t, again)
	if got := described(t, call, home, id)["Stage"]; got != "Active" {
		t.Errorf("after a restart: %v", got)
	}
	call(t, home, "DeleteDirectory", of(id)).accepted(t)
	gone(t, call, home, id)
	logins(t, again, `CORP\jane`, nextPassword, firstPassword)

	wrong := call(t, home, "ConnectDirectory", connecting("corp.example.com", "jane", nextPassword, "127.0.0.1"))
	wrong.accepted(t)
	if d := settled(t, call, wrong.Output["DirectoryId"].(string)); d["Stage"] != "Failed" || !strings.Contains(d["StageReason"].(string), "data 52e") {
		t.Errorf("with a wrong password: %v", d)
	}
	for i, input := range []map[string]any{
		connecting("corp.example.com", "jane", firstPassword),
		connecting("corp.example.com", "jane", firstPassword, strings.Split(strings.Repeat("127.0.0.1,", 8)+"127.0.0.1", ",")...),
		connecting("corp", "jane", firstPassword, "127.0.0.1"),
	} {
		if a := call(t, home, "ConnectDirectory", input); a.Exception != "InvalidParameterException" && a.Exception != "ValidationException" {
			t.Errorf("%d: %s", i, a)
		}
	}
	for range 9 {
		call(t, home, "ConnectDirectory", connecting("corp.example.com", "jane", firstPassword, "127.0.0.1")).accepted(t)
	}
	call(t, home, "ConnectDirectory", connecting("corp.example.com", "jane", firstPassword, "127.0.0.1")).refused(t, "DirectoryLimitExceededException", "10")
	again.stop()
	noSecrets(t, again)
}

// TestConnectLocal: a connector to a domain of this server's own is of its caller's account, and ends with the domain.
func TestConnectLocal(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing)
	owner, stranger := account(s, "123456789012"), account(s, consumer)
	connect := func(call caller, input map[string]any) string {
		made := call(t, home, "ConnectDirectory", input)
		made.accepted(t)
		return made.Output["DirectoryId"].(string)
	}
	own := owner(t, home, "CreateMicrosoftAD", managed("ours.example.com"))
	own.accepted(t)
	domain, _ := own.Output["DirectoryId"].(string)
	become(t, owner, home, domain, "Active")
	id := connect(owner, connecting("ours.example.com", "Admin", adminPassword, "127.0.0.1"))
	if d := settled(t, owner, id); d["Stage"] != "Active" {
		t.Fatalf("%v", d)
	}
	// The right password is not enough for a domain of another account: it is sought where the request says.
	theirs := connect(stranger, connecting("ours.example.com", "Admin", adminPassword, "127.0.0.1"))
	if d := settled(t, stranger, theirs); d["Stage"] != "Failed" || !strings.Contains(fmt.Sprint(d["StageReason"]), "DNS unavailable (TCP port 53) for IP: 127.0.0.1") {
		t.Errorf("%v", d)
	}
	// Single sign-on of a connector proves passwords to the domain.
	owner(t, home, "CreateAlias", of(id, "Alias", "connected")).accepted(t)
	owner(t, home, "EnableSso", of(id, "UserName", "Admin", "Password", nextPassword)).refused(t, "AuthenticationFailedException", "incorrect")
	owner(t, home, "EnableSso", of(id, "UserName", "Admin", "Password", adminPassword)).accepted(t)

	owner(t, home, "DeleteDirectory", of(domain)).accepted(t)
	gone(t, owner, home, domain)
	await(t, "Inoperable", func() bool { return described(t, owner, home, id)["Stage"] == "Inoperable" })
	owner(t, home, "EnableSso", of(id, "UserName", "Admin", "Password", adminPassword)).refused(t, "ClientException", "unavailable")
}

// TestConnectAddress: where DNS knows no domain controllers, the addresses that the request gives are taken for them.
func TestConnectAddress(t *testing.T) {
	t.Parallel()
	const address = "127.82.24.2"
	if os.Geteuid() != 0 {
		missing(t, "the right to listen on ports 53 and 636", "run the tests as root")
	}
	theirs := start(t, worldSeed, func(c *config.Config) { c.LDAPSListen = address + ":636" })
	ours := start(t, "", func(c *config.Config) { c.ConnectCAFile = theirs.caFile() })
	call := goClient(t, ours)
	for user, want := range map[string]string{"jane": "Active", "nobody": "Failed"} {
		made := call(t, home, "ConnectDirectory", connecting("corp.example.com", user, firstPassword, address))
		made.accepted(t)
		id, _ := made.Output["DirectoryId"].(string)
		if d := settled(t, call, id); d["Stage"] != want {
			t.Errorf("%s: %v", user, d)
		}
		// The directory goes, and the domain stays.
		call(t, home, "DeleteDirectory", of(id)).accepted(t)
		gone(t, call, home, id)
	}
	logins(t, theirs, `CORP\jane`, nextPassword, firstPassword)
	conn, err := net.ListenPacket("udp", "127.82.24.5:53")
	if err != nil {
		t.Fatal(err)
	}
	unknowing := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(question, dns.RcodeNameError))
	})}
	go func() { _ = unknowing.ActivateAndServe() }()
	t.Cleanup(func() { _ = unknowing.Shutdown() })
	silent(t, "127.82.24.10:53")
	for address, says := range map[string]string{
		"127.82.24.10": "DNS unavailable (TCP port 53) for IP: 127.82.24.10",
		"127.82.24.3":  "DNS unavailable (TCP port 53) for IP: 127.82.24.3", "127.82.24.5": "SRV record for LDAP does not exist for IP: 127.82.24.5",
	} {
		made := call(t, home, "ConnectDirectory", connecting("corp.example.com", "jane", firstPassword, address))
		made.accepted(t)
		if d := settled(t, call, made.Output["DirectoryId"].(string)); d["Stage"] != "Failed" || !strings.Contains(fmt.Sprint(d["StageReason"]), says) {
			t.Errorf("%v", d)
		}
	}
}

// silent takes questions at an address and answers none.
func silent(t *testing.T, address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// TestConnectSamba: the domain of somebody else is found by its DNS and reached over LDAPS, by the authority that is given.
func TestConnectSamba(t *testing.T) {
	t.Parallel()
	needSamba(t)
	theirs := start(t, "", onSamba(1, "127.82.24.1"))
	there := goClient(t, theirs)
	a := there(t, home, "CreateMicrosoftAD", managed("theirs.example.com"))
	a.accepted(t)
	domain, _ := a.Output["DirectoryId"].(string)
	there(t, home, "ShareDirectory", of(domain, "ShareTarget", map[string]any{"Id": consumer, "Type": "ACCOUNT"}, "ShareMethod", "HANDSHAKE")).refused(t, "ClientException", "can't be performed now")
	awaitStage(t, there, domain, "Active")
	connect := func(call caller, name, password string, servers ...string) map[string]any {
		made := call(t, home, "ConnectDirectory", connecting(name, "Admin", password, servers...))
		made.accepted(t)
		return settled(t, call, made.Output["DirectoryId"].(string))
	}
	failed := func(d map[string]any, says string) {
		t.Helper()
		if d["Stage"] != "Failed" || !strings.Contains(fmt.Sprint(d["StageReason"]), says) {
			t.Errorf("not %q: %v", says, d)
		}
	}
	// On the server that runs the domain nothing has to be configured.
	if d := connect(there, "theirs.example.com", adminPassword, "127.82.24.1"); d["Stage"] != "Active" {
		t.Errorf("%v", d)
	}

	ours := start(t, "", func(c *config.Config) { c.ConnectCAFile = theirs.caFile() })
	call := goClient(t, ours)
	silent(t, "127.82.24.4:53")
	d := connect(call, "theirs.example.com", adminPassword, "127.82.24.4", "127.82.24.1")
	if d["Stage"] != "Active" {
		t.Errorf("behind a DNS server that is silent: %v", d)
	}
	id, _ := d["DirectoryId"].(string)
	failed(connect(call, "theirs.example.com", nextPassword, "127.82.24.1"), "password is wrong")
	call(t, home, "CreateAlias", of(id, "Alias", "to-samba")).accepted(t)
	call(t, home, "EnableSso", of(id, "UserName", "Admin", "Password", nextPassword)).refused(t, "AuthenticationFailedException", "incorrect")
	call(t, home, "EnableSso", of(id, "UserName", "Admin", "Password", adminPassword)).accepted(t)

	strange := start(t, "")
	failed(connect(goClient(t, strange), "theirs.example.com", adminPassword, "127.82.24.1"), "certificate")

	// The domain stops, and the connectors tell.
	theirs.stop()
	await(t, "Inoperable", func() bool { return described(t, call, home, id)["Stage"] == "Inoperable" })
	call(t, home, "DisableSso", of(id, "UserName", "Admin", "Password", adminPassword)).refused(t, "ClientException", "")
	call(t, home, "DisableSso", of(id)).accepted(t)
}

// TestConnectRestart: a connector that a server has left in the middle of its making is finished by the next one.
func TestConnectRestart(t *testing.T) {
	t.Parallel()
	const address = "127.82.24.9"
	if os.Geteuid() != 0 {
		missing(t, "the right to listen on ports 53 and 636", "run the tests as root")
	}
	// While DNS says nothing, the making goes on.
	silent(t, address+":53")
	theirs := start(t, worldSeed, func(c *config.Config) { c.LDAPSListen = address + ":0" }) // for the authority
	theirs.stop()
	trust := func(c *config.Config) { c.ConnectCAFile = theirs.caFile() }
	ours := start(t, "", trust)
	call := goClient(t, ours)
	made := call(t, home, "ConnectDirectory", connecting("corp.example.com", "jane", firstPassword, address))
	made.accepted(t)
	id, _ := made.Output["DirectoryId"].(string)
	await(t, "Creating", func() bool { return described(t, call, home, id)["Stage"] == "Creating" })
	ours.stop()

	start(t, "", func(c *config.Config) { c.LDAPSListen, c.Data = address+":636", theirs.data })
	again := start(t, "", trust, func(c *config.Config) { c.Data = ours.data })
	call = goClient(t, again)
	if d := settled(t, call, id); d["Stage"] != "Active" {
		t.Errorf("%v", d)
	}
	again.stop()
	noSecrets(t, again)
}
