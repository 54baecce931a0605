package samba_test

import (
	"path/filepath"
	"testing"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
	"latchkey/internal/directory/samba"
)

func TestConformance(t *testing.T) {
	w := newWorld(t)
	engine := w.engine(t)
	addresses := map[directory.Kind]string{directory.SimpleAD: "127.81.0.11", directory.MicrosoftAD: "127.81.0.12"}
	made := map[directory.Kind]directorytest.Fixture{}
	open := func(_ *testing.T, kind directory.Kind) directorytest.Fixture {
		if f, ok := made[kind]; ok {
			return f
		}
		d := domainOf(t, "d-conform"+string(kind), "corp.example.com", "CORP", "S-1-5-21-11-22-33")
		d.Kind = kind
		if err := engine.Provision(t.Context(), d, []samba.Controller{at("dc1", addresses[kind])}); err != nil {
			t.Fatal(err)
		}
		made[kind] = directorytest.Fixture{
			Engine: directorytest.Samba, Conn: laidOut(t, engine, d), Domain: d,
			Login:    directorytest.LDAPS("ldaps://"+addresses[kind], directorytest.SambaTrust(t, w.dir)),
			Backdate: directorytest.SambaBackdate(filepath.Join(w.dir, "samba", d.ID, "dc1", "private"), d),
			KDC:      addresses[kind] + ":88",
		}
		return made[kind]
	}
	directorytest.Run(t, open)
	t.Run("Kerberos", func(t *testing.T) { directorytest.RunKerberos(t, open) })
}
