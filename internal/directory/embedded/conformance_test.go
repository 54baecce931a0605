package embedded

import (
	"testing"

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
		return directorytest.Fixture{Conn: conn, Domain: domain, Login: func(name, password string) error {
			_, err := engine.Bind(t.Context(), true, name, []byte(password))
			return err
		}}
	})
}
