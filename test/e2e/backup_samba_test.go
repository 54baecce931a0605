package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"latchkey/internal/config"
)

// TestBackupSamba: a domain on Samba is there again, with all that its clients have, after the data directory is lost, in another
// directory too. While its domain controller runs it can't be saved.
func TestBackupSamba(t *testing.T) {
	t.Parallel()
	needSamba(t)
	const address = "127.82.29.1"
	s := start(t, `directories:
  - id: d-00000000b5
    type: SimpleAD
    name: saved.example.com
    shortName: SAVED
    engine: samba
    password: `+adminPassword+`
    users:
      - {name: jane, password: `+firstPassword+`}
      - {name: lee, password: `+firstPassword+`}
`, onSamba(1, address))
	const id = "d-00000000b5"
	awaitStage(t, goClient(t, s), id, "Active")
	goClient(t, s)(t, home, "ResetUserPassword", reset(id, "jane", nextPassword)).accepted(t)
	domain{s, "saved.example.com", "SAVED", address}.holds(t, "jane", firstPassword, nextPassword)

	file, phrase := filepath.Join(t.TempDir(), "saved.age"), fileOf(t, "correct horse\n")
	fails(t, s, "This server runs domain controllers", "backup", file, "--passphrase-file", phrase)
	s.stop()
	must(t, s, "backup", file, "--stopped", "--data", s.data, "--passphrase-file", phrase)
	if err := os.RemoveAll(s.data); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "elsewhere")
	must(t, s, "restore", file, "--data", data, "--passphrase-file", phrase)

	s = start(t, "", onSamba(1, address), func(c *config.Config) { c.Data = data })
	d := domain{s, "saved.example.com", "SAVED", address}
	// The domain controller is being started.
	await(t, "the domain", func() bool {
		answer := goClient(t, s)(t, home, "ResetUserPassword", reset(id, "lee", nextPassword))
		return answer.Exception != "DirectoryUnavailableException"
	})
	d.holds(t, "jane", firstPassword, nextPassword)
	goClient(t, s)(t, home, "ResetUserPassword", reset(id, "jane", "Autumn-Leaf-2026")).accepted(t)
	d.holds(t, "jane", nextPassword, "Autumn-Leaf-2026")
}
