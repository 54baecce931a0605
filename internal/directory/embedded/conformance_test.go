package embedded

import (
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
)

func TestConformance(t *testing.T) {
	directorytest.Run(t, func(t *testing.T, kind directory.Kind) directorytest.Fixture {
		engine, domain := testDomain(t, kind)
		conn, err := engine.Conn(domain.ID)
		if err != nil {
			t.Fatal(err)
		}
		login := func(t testing.TB, name, password string) (directory.Conn, error) {
			return engine.Bind(t.Context(), true, name, []byte(password))
		}
		backdate := func(t testing.TB, dn string, age time.Duration) {
			request := ldap.NewModifyRequest(dn, nil)
			request.Replace("pwdLastSet", []string{directory.FileTime(time.Now().Add(-age))})
			itself := &Session{engine: engine, tree: engine.trees[domain.ID].tree, system: true, making: true}
			if err := itself.Modify(t.Context(), request); err != nil {
				t.Fatal(err)
			}
		}
		return directorytest.Fixture{Engine: directorytest.Embedded, Conn: conn, Domain: domain, Login: login, Backdate: backdate}
	})
}
