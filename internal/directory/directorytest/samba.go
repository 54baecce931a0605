package directorytest

import (
	"context"
	"crypto/tls"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// LDAPS is a Fixture's Login at a domain controller: a simple bind over TLS, on a connection of its own.
func LDAPS(url string, config *tls.Config) func(t testing.TB, name, password string) (directory.Conn, error) {
	return func(t testing.TB, name, password string) (directory.Conn, error) {
		conn, err := ldap.DialURL(url, ldap.DialWithTLSConfig(config))
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = conn.Close() })
		conn.SetTimeout(time.Minute)
		if err := conn.Bind(name, password); err != nil {
			return nil, err
		}
		return plain{conn}, nil
	}
}

// setPwdLastSet writes past the domain controller, with the Python that samba-tool is written in.
const setPwdLastSet = `
import sys, ldb
database, dn, value = sys.argv[1:]
db = ldb.Ldb(database)
message = ldb.Message(ldb.Dn(db, dn))
message["pwdLastSet"] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, "pwdLastSet")
db.modify(message)
`

// SambaBackdate is a Fixture's Backdate at a Samba domain controller whose private directory this is.
func SambaBackdate(private string, domain directory.Domain) func(t testing.TB, dn string, age time.Duration) {
	database := filepath.Join(private, "sam.ldb.d", strings.ToUpper(domain.BaseDN())+".ldb")
	return func(t testing.TB, dn string, age time.Duration) {
		t.Helper()
		value := directory.FileTime(time.Now().Add(-age))
		if said, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", setPwdLastSet, database, dn, value).CombinedOutput(); err != nil {
			t.Fatalf("backdate %s: %v: %s", dn, err, said)
		}
	}
}

// plain is one LDAP connection as it is: a user's, not an engine's.
type plain struct{ conn *ldap.Conn }

func (p plain) Search(_ context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	return p.conn.Search(r)
}
func (p plain) Add(_ context.Context, r *ldap.AddRequest) error       { return p.conn.Add(r) }
func (p plain) Modify(_ context.Context, r *ldap.ModifyRequest) error { return p.conn.Modify(r) }

func (p plain) ModifyDN(_ context.Context, r *ldap.ModifyDNRequest) error { return p.conn.ModifyDN(r) }
func (p plain) Delete(_ context.Context, r *ldap.DelRequest) error        { return p.conn.Del(r) }
