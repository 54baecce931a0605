package seed_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/lifecycle"
	"latchkey/internal/seed"
	"latchkey/internal/store"
)

// world is a server without its front: what a seed is applied to.
type world struct {
	worker *lifecycle.Worker
	engine *embedded.Engine
}

func newWorld(t *testing.T) world {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	records, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	keyring, err := embedded.NewKeyring(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := embedded.New(records, keyring, nil, logger, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	worker, err := lifecycle.Start(t.Context(), records, lifecycle.Options{
		Engines: lifecycle.Engines{lifecycle.Embedded: lifecycle.NewEmbedded(engine)}, Sealer: keyring, Queue: lifecycle.NewQueue(), Node: "0123456789",
		Logger: logger, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Stop)
	return world{worker, engine}
}

func (w world) apply(t *testing.T, text string) error {
	t.Helper()
	parsed, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return seed.Apply(t.Context(), parsed, w.worker, "123456789012", "")
}

// dump is every attribute of every entry.
func (w world) dump(t *testing.T, id, base string) []string {
	t.Helper()
	conn, err := w.engine.Conn(id)
	if err != nil {
		t.Fatal(err)
	}
	result, err := conn.Search(t.Context(), ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, entry := range result.Entries {
		for _, attribute := range entry.Attributes {
			lines = append(lines, fmt.Sprintf("%s %s %q", entry.DN, attribute.Name, attribute.Values))
		}
	}
	return lines
}

const twoDirectories = `
directories:
  - id: d-00000000a1
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: Harbour-Light-11
    passwordPolicy: {minLength: 9, complexity: true, maxAge: 10d, lockoutThreshold: 3}
    organizationalUnits: [Sales/Berlin, /Outside]
    groups:
      - name: Staff
      - {name: Help Desk, ou: Sales, groups: [Staff], scope: Universal, type: Distribution}
    users:
      - {name: jane, ou: Sales/Berlin, displayName: Jane Doe, password: Winter-Sun-2025, groups: [Help Desk], attributes: {title: Engineer}}
      - {name: dora, password: Winter-Sun-2025, disabled: true}
      - {name: mo, password: Winter-Sun-2025, mustChangePassword: true}
      - {name: lou, password: Winter-Sun-2025, locked: true}
      - {name: newcomer}
      - {name: outsider, ou: /Outside, password: Winter-Sun-2025}
    computers: [{name: WEB01}]
  - type: SimpleAD
    name: lab.example.com
    password: Harbour-Light-22
    users: [{name: prime, password: Winter-Sun-2025, primaryGroup: Domain Admins}]
`

func TestApplyTwiceChangesNothing(t *testing.T) {
	w := newWorld(t)
	if err := w.apply(t, twoDirectories); err != nil {
		t.Fatal(err)
	}
	before := w.dump(t, "d-00000000a1", "DC=corp,DC=example,DC=com")
	if len(before) < 500 {
		t.Fatalf("only %d attributes", len(before))
	}
	if err := w.apply(t, twoDirectories); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.dump(t, "d-00000000a1", "DC=corp,DC=example,DC=com")); diff != "" {
		t.Error(diff)
	}
	if n := len(w.worker.Directories().All("", "", "", 10)); n != 2 {
		t.Errorf("%d directories", n)
	}
}

// What was changed after the first seeding stays: a new password, a new policy, another title.
func TestApplyLeavesChangesAlone(t *testing.T) {
	w := newWorld(t)
	if err := w.apply(t, twoDirectories); err != nil {
		t.Fatal(err)
	}
	conn, err := w.engine.Conn("d-00000000a1")
	if err != nil {
		t.Fatal(err)
	}
	policy := ldap.NewModifyRequest("DC=corp,DC=example,DC=com", nil)
	policy.Replace("minPwdLength", []string{"12"})
	title := ldap.NewModifyRequest("CN=Jane Doe,OU=Berlin,OU=Sales,OU=CORP,DC=corp,DC=example,DC=com", nil)
	title.Replace("title", []string{"Director"})
	title.Replace("unicodePwd", []string{string(directory.EncodePassword([]byte("Summer-Rain-2026")))})
	if err := errors.Join(conn.Modify(t.Context(), policy), conn.Modify(t.Context(), title)); err != nil {
		t.Fatal(err)
	}
	before := w.dump(t, "d-00000000a1", "DC=corp,DC=example,DC=com")
	if err := w.apply(t, twoDirectories); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.dump(t, "d-00000000a1", "DC=corp,DC=example,DC=com")); diff != "" {
		t.Error(diff)
	}
	if _, err := w.engine.Bind(t.Context(), true, `CORP\jane`, []byte("Summer-Rain-2026")); err != nil {
		t.Error(err)
	}
}

func TestApplyMakesWhatItSays(t *testing.T) {
	w := newWorld(t)
	if err := w.apply(t, twoDirectories); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{`CORP\jane`: "", `CORP\dora`: "533", `CORP\mo`: "773", `CORP\lou`: "775", `CORP\newcomer`: "52e", `CORP\outsider`: "", `LAB\prime`: ""} {
		_, err := w.engine.Bind(t.Context(), true, name, []byte("Winter-Sun-2025"))
		if data == "" && err != nil || data != "" && (err == nil || !strings.Contains(err.Error(), "data "+data+",")) {
			t.Errorf("%s: %v, want data %q", name, err, data)
		}
	}
	dump := strings.Join(w.dump(t, "d-00000000a1", "DC=corp,DC=example,DC=com"), "\n")
	for _, line := range []string{
		`CN=Help Desk,OU=Sales,OU=CORP,DC=corp,DC=example,DC=com groupType ["8"]`,
		`CN=Help Desk,OU=Sales,OU=CORP,DC=corp,DC=example,DC=com memberOf ["CN=Staff,OU=Users,OU=CORP,DC=corp,DC=example,DC=com"]`,
		`CN=Jane Doe,OU=Berlin,OU=Sales,OU=CORP,DC=corp,DC=example,DC=com title ["Engineer"]`,
		`CN=WEB01,OU=Computers,OU=CORP,DC=corp,DC=example,DC=com sAMAccountName ["WEB01$"]`,
		`DC=corp,DC=example,DC=com minPwdLength ["9"]`,
		`DC=corp,DC=example,DC=com maxPwdAge ["-8640000000000"]`,
		`DC=corp,DC=example,DC=com pwdHistoryLength ["24"]`,
	} {
		if !strings.Contains(dump, line) {
			t.Errorf("there is no %s", line)
		}
	}
}

func TestConflictsSayWhere(t *testing.T) {
	w := newWorld(t)
	if err := w.apply(t, twoDirectories); err != nil {
		t.Fatal(err)
	}
	for _, each := range []struct{ change, to, where string }{
		{"name: corp.example.com", "name: other.example.com", "s.yaml:3: directory d-00000000a1 exists as MicrosoftAD corp.example.com"},
		{"ou: Sales/Berlin, displayName", "ou: Sales, displayName", `s.yaml:14: user "jane": the directory has it as a user at CN=Jane Doe,OU=Berlin`},
		{"- name: Staff", "- name: newcomer2\n        groups: [Nobody Knows]", `s.yaml:11: group "newcomer2": there is no group "Nobody Knows"`},
		{"{name: WEB01}", "{name: WEB01, ou: Sales}", `computer "WEB01": the directory has it as a computer at`},
	} {
		text := strings.Replace(twoDirectories, each.change, each.to, 1)
		if text == twoDirectories {
			t.Fatalf("%q is not in the seed", each.change)
		}
		if err := w.apply(t, text); err == nil || !strings.Contains(err.Error(), each.where) {
			t.Errorf("%s: %v, want %q", each.to, err, each.where)
		}
	}
}
