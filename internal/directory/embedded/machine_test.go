package embedded

import (
	"bytes"
	"errors"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

func keysOf(t *testing.T, e *Engine, id, name string) *Keys {
	t.Helper()
	keys, err := e.Keys(id, name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return keys
}

func TestMachineAccount(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	for _, name := range []string{
		"DC1$", "dc1$", "ldap/dc1.corp.example.com", "LDAP/DC1.Corp.Example.com", "ldap/corp.example.com", "ldap/dc1.corp.example.com/corp.example.com",
		"ldap/DC1", "host/dc1.corp.example.com", "cifs/dc1.corp.example.com", "http/dc1", "ldap/dc1.corp.example.com/CORP",
	} {
		keys := keysOf(t, engine, domain.ID, name)
		if keys.Account != "DC1$" || keys.Salt != "CORP.EXAMPLE.COMhostdc1.corp.example.com" || keys.Version != 1 || len(keys.AES256) != 32 || len(keys.AES128) != 16 {
			t.Errorf("%s: %s, salt %s, version %d", name, keys.Account, keys.Salt, keys.Version)
		}
	}
	for _, name := range []string{"ldap/elsewhere", "Domain Users", "sql/dc1", "Guest", ""} {
		if _, err := engine.Keys(domain.ID, name); !errors.Is(err, ErrNoKeys) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := engine.Realm("corp"); len(got) != 1 || got[0] != domain.ID {
		t.Errorf("realm: %q", got)
	}
}

func TestRollKrbtgt(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	first := keysOf(t, engine, domain.ID, "krbtgt")
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	if version, err := directory.RollKrbtgt(t.Context(), conn, domain, randomPassword()); err != nil || version != first.Version+1 {
		t.Fatal(version, err)
	}
	second := keysOf(t, engine, domain.ID, "kadmin/changepw")
	if second.Version != first.Version+1 || bytes.Equal(second.AES256, first.AES256) || !bytes.Equal(second.Former, first.AES256) {
		t.Errorf("version %d after %d", second.Version, first.Version)
	}
	// An administrator's reset by LDAP is the same: the password that was given is not the account's.
	request := ldap.NewModifyRequest("CN=krbtgt,CN=Users,"+domain.BaseDN(), nil)
	request.Replace("unicodePwd", []string{string(directory.EncodePassword([]byte("Known-To-S0me")))})
	if err := conn.Modify(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	third := keysOf(t, engine, domain.ID, "krbtgt")
	known, err := deriveKeys([]byte("Known-To-S0me"), third.Salt)
	if err != nil {
		t.Fatal(err)
	}
	if third.Version != 3 || bytes.Equal(third.AES256, known.AES256) || !bytes.Equal(third.Former, second.AES256) {
		t.Errorf("version %d; the password that was given is the account's: %t", third.Version, bytes.Equal(third.AES256, known.AES256))
	}
}

// TestFormerDirectory is a directory that a version without a domain controller's account made.
func TestFormerDirectory(t *testing.T) {
	engine, domain := testDomain(t, directory.MicrosoftAD)
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	tree := engine.trees[domain.ID].tree
	machine := tree.account("DC1$")
	if err := engine.update(t.Context(), candidate{tree, machine}, func(d *draft) { d.set("isCriticalSystemObject") }); err != nil {
		t.Fatal(err)
	}
	if err := conn.Delete(t.Context(), ldap.NewDelRequest(machineDN(domain), nil)); err != nil {
		t.Fatal(err)
	}
	krbtgt := tree.node(tree.krbtgt().guid)
	if err := engine.update(t.Context(), candidate{tree, krbtgt}, func(d *draft) {
		d.entry.Secret = nil
		d.set("servicePrincipalName")
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := engine.EnsureMachine(t.Context(), domain); err != nil {
			t.Fatal(err)
		}
		for name, version := range map[string]int{"DC1$": 1, "kadmin/changepw": 1} {
			if got := keysOf(t, engine, domain.ID, name).Version; got != version {
				t.Errorf("%s: version %d", name, got)
			}
		}
	}
}
