package embedded

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// testDomain is a provisioned and laid out directory with an administrator's password of "Adm1n-of-it".
func testDomain(t *testing.T, kind directory.Kind) (*Engine, directory.Domain) {
	t.Helper()
	ctx := t.Context()
	records, err := store.Open(ctx, store.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	keyring, err := NewKeyring(make([]byte, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := New(records, keyring, nil, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	sid, err := directory.ParseSID("S-1-5-21-1-2-3")
	if err != nil {
		t.Fatal(err)
	}
	domain := directory.Domain{ID: "d-1234567890", Kind: kind, Name: "corp.example.com", NetBIOS: "CORP", SID: sid}
	if err := engine.Serve(ctx, domain); err != nil {
		t.Fatal(err)
	}
	if err := engine.Provision(ctx, domain); err != nil {
		t.Fatal(err)
	}
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := directory.LayOut(ctx, conn, domain, []byte("Pa55-of-the-boss")); err != nil {
		t.Fatal(err)
	}
	return engine, domain
}

func TestResetThenBind(t *testing.T) {
	for _, kind := range []directory.Kind{directory.SimpleAD, directory.MicrosoftAD} {
		t.Run(string(kind), func(t *testing.T) {
			engine, domain := testDomain(t, kind)
			ctx := context.Background()
			conn, err := engine.Conn(domain.ID)
			if err != nil {
				t.Fatal(err)
			}
			err = directory.Ensure(ctx, conn, "CN=Jane Doe,"+domain.UsersDN(), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"jane"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := directory.ResetPassword(ctx, conn, domain, "JANE", []byte("N3w-Password"), directory.ResetOptions{Unlock: true}); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"jane", `CORP\jane`, "jane@corp.example.com", "CN=Jane Doe," + domain.UsersDN()} {
				session, err := engine.Bind(ctx, true, name, []byte("N3w-Password"))
				if err != nil {
					t.Fatalf("bind as %s: %v", name, err)
				}
				if got := session.Who(); got != `u:CORP\jane` {
					t.Errorf("Who() = %q", got)
				}
			}
			if _, err := engine.Bind(ctx, true, "jane", []byte("wrong")); !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
				t.Errorf("wrong password: %v", err)
			}
			if _, err := engine.Bind(ctx, true, domain.Administrator(), []byte("Pa55-of-the-boss")); err != nil {
				t.Errorf("administrator: %v", err)
			}
		})
	}
}
