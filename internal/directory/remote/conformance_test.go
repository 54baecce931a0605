package remote_test

import (
	"crypto/rand"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
	"latchkey/internal/directory/remote"
	"latchkey/internal/directory/samba"
)

// TestConformance reaches a domain as a stranger does: by the address of its domain controller, its authority's
// certificate, and an account of its administrator's.
func TestConformance(t *testing.T) {
	dir := directorytest.SambaFolder(t)
	theirs := samba.New(directorytest.SambaOptions(dir))
	t.Cleanup(theirs.Close)
	ours := remote.New(remote.Options{Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	t.Cleanup(ours.Close)
	addresses := map[directory.Kind]string{directory.SimpleAD: "127.81.0.13", directory.MicrosoftAD: "127.81.0.14"}
	directorytest.Run(t, func(t *testing.T, kind directory.Kind) directorytest.Fixture {
		sid, err := directory.ParseSID("S-1-5-21-11-22-33")
		if err != nil {
			t.Fatal(err)
		}
		d := directory.Domain{ID: "d-remote" + string(kind), Kind: kind, Name: "corp.example.com", NetBIOS: "CORP", SID: sid}
		address := addresses[kind]
		if err := theirs.Provision(t.Context(), d, []samba.Controller{{Host: "dc1", Address: netip.MustParseAddr(address)}}); err != nil {
			t.Fatal(err)
		}
		itself, err := theirs.Conn(d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := directory.LayOut(t.Context(), itself, d, []byte("Harbour-Light-11")); err != nil {
			t.Fatal(err)
		}
		if err := directory.Delegate(t.Context(), itself, d); err != nil {
			t.Fatal(err)
		}
		settings := remote.Settings{URLs: []string{"ldaps://" + address}, CAFile: directorytest.SambaCA(dir), BindDN: "CN=Stranger,CN=Users," + d.BaseDN(), BindPasswordFile: stranger(t, itself, d)}
		if err := ours.Serve(t.Context(), d, settings); err != nil {
			t.Fatal(err)
		}
		conn, err := ours.Conn(d.ID)
		if err != nil {
			t.Fatal(err)
		}
		return directorytest.Fixture{
			Engine: directorytest.Remote, Conn: conn, Domain: d,
			Login:    directorytest.LDAPS("ldaps://"+address, directorytest.SambaTrust(t, dir)),
			Backdate: directorytest.SambaBackdate(filepath.Join(dir, "samba", d.ID, "dc1", "private"), d),
		}
	})
}

// stranger makes the account that Latchkey works with, and gives the file of its password.
func stranger(t *testing.T, conn directory.Conn, d directory.Domain) (file string) {
	t.Helper()
	password := rand.Text() + "-a1"
	request := ldap.NewAddRequest("CN=Stranger,CN=Users,"+d.BaseDN(), nil)
	for name, value := range map[string]string{
		"objectClass": "user", "sAMAccountName": "stranger", "userAccountControl": "66048", "unicodePwd": string(directory.EncodePassword([]byte(password))),
	} {
		request.Attribute(name, []string{value})
	}
	if err := conn.Add(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	// Administrators is enough for all that the suite does, and is none of the groups that protect a user.
	if err := directory.Join(t.Context(), conn, "CN=Administrators,CN=Builtin,"+d.BaseDN(), request.DN); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
