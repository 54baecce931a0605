package kdc_test

import (
	"testing"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
)

func TestConformance(t *testing.T) {
	directorytest.RunKerberos(t, func(t *testing.T, kind directory.Kind) directorytest.Fixture {
		r := newRealm(t, kind)
		login := func(t testing.TB, name, password string) (directory.Conn, error) {
			return r.engine.Bind(t.Context(), true, name, []byte(password))
		}
		backdate := func(t testing.TB, dn string, age time.Duration) {
			r.clock.ahead.Store(int64(-age))
			defer r.clock.ahead.Store(0)
			r.set(dn, "unicodePwd", encoded(password))
		}
		return directorytest.Fixture{Engine: directorytest.Embedded, Conn: r.conn, Domain: r.domain, Login: login, Backdate: backdate, KDC: r.kdc}
	})
}
