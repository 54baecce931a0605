package e2e

import (
	"strings"
	"testing"
)

const computerPassword = marker + "-Host-7"

func computer(id, name string, more ...any) map[string]any {
	return of(id, append([]any{"ComputerName", name, "Password", computerPassword}, more...)...)
}

// TestComputer: a computer's account is where it should be, has what a host needs, and logs in.
func TestComputer(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	create := func(input map[string]any) answer { return call(t, home, "CreateComputer", input) }
	made := create(computer(corpID, "HOST7", "ComputerAttributes", []map[string]any{{"Name": "description", "Value": "in the hall"}}))
	made.accepted(t)
	c := made.Output["Computer"].(map[string]any)
	if c["ComputerName"] != "HOST7" || !strings.HasPrefix(c["ComputerId"].(string), "S-1-5-21-") {
		t.Errorf("%v", c)
	}
	create(computer(labID, "HOST7")).accepted(t)
	found := entry(t, s, corpAdmin, corpBase, "host7$")
	for _, want := range []string{
		"dn: CN=HOST7,OU=Computers,OU=CORP," + corpBase, "dNSHostName: host7.corp.example.com", "servicePrincipalName: HOST/host7.corp.example.com",
		"userAccountControl: 4096", "description: in the hall", "objectCategory: CN=Computer,CN=Schema,CN=Configuration," + corpBase,
	} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not in %s", want, found)
		}
	}
	if found := entry(t, s, labAdmin, labBase, "host7$"); !strings.Contains(found, "dn: CN=HOST7,CN=Computers,"+labBase) {
		t.Errorf("on Simple AD: %s", found)
	}
	logins(t, s, `CORP\host7$`, firstPassword, computerPassword)
	create(computer(corpID, "HOST8", "OrganizationalUnitDistinguishedName", "OU=Berlin,OU=Sales,OU=CORP,"+corpBase)).accepted(t)

	create(computer(corpID, "host7")).refused(t, "EntityAlreadyExistsException", "host7")
	create(computer(corpID, "HOST9", "OrganizationalUnitDistinguishedName", "OU=Elsewhere,"+corpBase)).refused(t, "InvalidParameterException", "organizational unit")
	create(computer(corpID, "HOST9", "OrganizationalUnitDistinguishedName", "OU=Nowhere,OU=CORP,"+corpBase)).refused(t, "InvalidParameterException", "organizational unit")
	create(computer(corpID, "HOST9", "OrganizationalUnitDistinguishedName", "no DN")).refused(t, "InvalidParameterException", "organizational unit")
	create(computer(corpID, "HO ST")).refused(t, "InvalidParameterException", "not valid")
	create(computer(corpID, "HOST9", "ComputerAttributes", []map[string]any{{"Name": "userAccountControl", "Value": "524288"}})).refused(t, "InvalidParameterException", "not valid")
	create(computer(corpID, "HOST9", "ComputerAttributes", []map[string]any{{"Name": "noSuchThing", "Value": "1"}})).refused(t, "InvalidParameterException", "not valid")
	create(computer(corpID, "HOST9", "ComputerAttributes", []map[string]any{{"Name": "description"}})).refused(t, "InvalidParameterException", "Value")
	create(computer(noID, "HOST9")).refused(t, "EntityDoesNotExistException", noID)

	// By a connector: as the account that it was given, which must have the right.
	for user, exception := range map[string]string{"Admin": "", "jane": "AuthenticationFailedException"} {
		password := map[string]string{"Admin": adminPassword, "jane": firstPassword}[user]
		connected := call(t, home, "ConnectDirectory", connecting("corp.example.com", user, password, "127.0.0.1"))
		connected.accepted(t)
		id, _ := connected.Output["DirectoryId"].(string)
		if d := settled(t, call, id); d["Stage"] != "Active" {
			t.Fatalf("%v", d)
		}
		a := create(computer(id, "BY-"+strings.ToUpper(user), "OrganizationalUnitDistinguishedName", "OU=Computers,OU=CORP,"+corpBase))
		if exception == "" {
			a.accepted(t)
		} else {
			a.refused(t, exception, "may not")
		}
	}
}

// TestComputerShared: the account that a directory is shared with makes computers in it.
func TestComputerShared(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing)
	shared := account(s, "123456789012")(t, home, "ShareDirectory", of(corpID, "ShareTarget", map[string]any{"Id": consumer, "Type": "ACCOUNT"}, "ShareMethod", "HANDSHAKE"))
	shared.accepted(t)
	id, _ := shared.Output["SharedDirectoryId"].(string)
	taker := account(s, consumer)
	taker(t, home, "CreateComputer", computer(id, "SHARED1")).refused(t, "DirectoryUnavailableException", "PendingAcceptance")
	taker(t, home, "AcceptSharedDirectory", map[string]any{"SharedDirectoryId": id}).accepted(t)
	await(t, "Shared", func() bool { return described(t, taker, home, id)["ShareStatus"] == "Shared" })
	taker(t, home, "CreateComputer", computer(id, "SHARED1")).accepted(t)
	if said, code := openldap(t, s, "ldapwhoami", "", "-H", s.LDAP, "-D", `CORP\shared1$`, "-w", computerPassword); code != 0 {
		t.Errorf("%d %s", code, said)
	}
}

// TestComputerSamba: Kerberos and SMB know the computer's account, too.
func TestComputerSamba(t *testing.T) {
	t.Parallel()
	needSamba(t)
	s := start(t, "", onSamba(1, "127.82.21.1"))
	call := goClient(t, s)
	a := call(t, home, "CreateMicrosoftAD", managed("hosts.example.com"))
	a.accepted(t)
	id, _ := a.Output["DirectoryId"].(string)
	awaitStage(t, call, id, "Active")
	call(t, home, "CreateComputer", computer(id, "HOST7", "ComputerAttributes", []map[string]any{{"Name": "description", "Value": "in the hall"}})).accepted(t)
	call(t, home, "CreateComputer", computer(id, "host7")).refused(t, "EntityAlreadyExistsException", "host7")
	domain{s: s, name: "hosts.example.com", netbios: "MADE", address: "127.82.21.1"}.holds(t, "HOST7$", firstPassword, computerPassword)
}
