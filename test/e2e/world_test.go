package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/config"
	"latchkey/internal/store"
)

// Every good password of the tests contains this, so that one search finds any of them. It is long enough that nothing
// random looks like it, in any of its encodings.
const marker = "Wx9~Kq-Vd7.Mz"

const (
	firstPassword = marker + "-first-Harbour"
	adminPassword = marker + "-chief-Harbour"

	corpID   = "d-1234567890"
	labID    = "d-0123456789"
	westID   = "d-00000000e1" // in eu-west-1
	brokenID = "d-00000000b0" // its user's sealed keys were altered
	deadID   = "d-00000000d0" // Inoperable
	noID     = "d-ffffffffff"

	corpBase = "DC=corp,DC=example,DC=com"
	labBase  = "DC=lab,DC=example,DC=com"

	corpAdmin = `CORP\Admin`
	labAdmin  = `LAB\Administrator`
)

const worldSeed = `
directories:
  - id: ` + corpID + `
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: ` + adminPassword + `
    passwordPolicy: {lockoutThreshold: 3, lockoutDuration: 30m, lockoutWindow: 30m, minLength: 8}
    organizationalUnits: [Sales/Berlin, "/Elsewhere"]
    groups:
      - {name: Staff}
    users:
      - {name: kim.gosdk, password: ` + firstPassword + `, ou: Sales/Berlin}
      - {name: kim.cli, password: ` + firstPassword + `, ou: Sales/Berlin}
      - {name: kim.boto3, password: ` + firstPassword + `, ou: Sales/Berlin}
      - {name: kim.js, password: ` + firstPassword + `, ou: Sales/Berlin}
      - {name: kim.curl, password: ` + firstPassword + `, ou: Sales/Berlin}
      - {name: jane, displayName: Jane Doe, password: ` + firstPassword + `, groups: [Staff]}
      - {name: reserved, ou: /AWS Reserved, password: ` + firstPassword + `}
      - {name: elsewhere, ou: /Elsewhere, password: ` + firstPassword + `}
      - {name: off, password: ` + firstPassword + `, disabled: true}
      - {name: shut, password: ` + firstPassword + `, locked: true}
      - {name: must, password: ` + firstPassword + `, mustChangePassword: true}
      - {name: fresh}
      - {name: "o'neil (a) #1 & b$ é", password: ` + firstPassword + `}
    computers:
      - name: WEB01
  - id: ` + labID + `
    type: SimpleAD
    name: lab.example.com
    shortName: LAB
    size: Small
    password: ` + adminPassword + `
    groups:
      - {name: Operators, groups: [Shifts]}
      - {name: Shifts, groups: [Domain Admins]}
    users:
      - {name: lee.gosdk, password: ` + firstPassword + `}
      - {name: lee.cli, password: ` + firstPassword + `}
      - {name: lee.boto3, password: ` + firstPassword + `}
      - {name: lee.js, password: ` + firstPassword + `}
      - {name: lee.curl, password: ` + firstPassword + `}
      - {name: direct, password: ` + firstPassword + `, groups: [Domain Admins]}
      - {name: nested, password: ` + firstPassword + `, groups: [Operators]}
      - {name: primary, password: ` + firstPassword + `, primaryGroup: Domain Admins}
      - {name: enterprise, password: ` + firstPassword + `, groups: [Enterprise Admins]}
    computers:
      - name: WEB02
  - id: ` + westID + `
    type: SimpleAD
    name: west.example.com
    shortName: WEST
    region: eu-west-1
    size: Small
    password: ` + adminPassword + `
`

const brokenSeed = `
directories:
  - id: ` + brokenID + `
    type: SimpleAD
    name: broken.example.com
    shortName: BROKEN
    size: Small
    password: ` + adminPassword + `
    users:
      - {name: sealed, password: ` + firstPassword + `}
`

// unavailableStages are those of a directory that is there and can't be worked with.
var unavailableStages = []string{"Created", "Restoring", "Failed", "RestoreFailed", "Inoperable"}

func stageID(i int) string { return fmt.Sprintf("d-00000000d%x", i) }

// world is a server that answers every exception: with directories of both types, one that can't be opened and some that
// are not Active.
func world(t *testing.T, change ...func(*config.Config)) *server {
	t.Helper()
	first := start(t, brokenSeed)
	first.stop()
	putUnavailable(t, first.data)
	same := func(c *config.Config) { c.Data = first.data }
	return start(t, worldSeed, append([]func(*config.Config){same}, change...)...)
}

// damage alters the sealed keys of a user in the store.
func damage(t *testing.T, ctx context.Context, records *store.Store) {
	t.Helper()
	following, stop := context.WithCancel(ctx)
	var victim *store.Entry
	done, err := records.FollowTree(following, brokenID, func(changes []store.TreeChange) {
		for _, change := range changes {
			if change.Link != nil {
				continue
			}
			if e, err := change.Entry(); err == nil && slices.Contains(e.Attributes["sAMAccountName"], "sealed") {
				victim = e
			}
		}
	}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	<-done
	victim.Secret[len(victim.Secret)-1] ^= 1
	batch := store.NewBatch(brokenID)
	batch.Put(victim)
	if _, err := records.Commit(ctx, batch); err != nil {
		t.Fatal(err)
	}
}

func putUnavailable(t *testing.T, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	records, err := store.Open(ctx, store.Options{Dir: filepath.Join(data, "store"), Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		t.Fatal(err)
	}
	damage(t, ctx, records)
	following, stop := context.WithCancel(ctx)
	directories, err := records.FollowDirectories(following, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for i, stage := range unavailableStages {
		// The last one is the one that the clients ask for.
		id := stageID((i + 1) % len(unavailableStages))
		err := directories.Put(ctx, &store.Directory{
			ID: id, Account: "123456789012", Region: home, Type: "SimpleAD", Name: strings.ToLower(stage) + ".example.com",
			ShortName: strings.ToUpper(stage), SID: "S-1-5-21-1-2-3", Stage: stage,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stop()
	directories.Wait()
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func writeCredentials(t *testing.T, path, key, secret string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("[default]\naws_access_key_id = "+key+"\naws_secret_access_key = "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
