package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"latchkey/internal/app"
	"latchkey/internal/backup"
	"latchkey/internal/config"
	"latchkey/internal/masterkey"
)

// fileOf is a new file with that text.
func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// must runs a command of our own that has to succeed.
func must(t *testing.T, s *server, args ...string) string {
	t.Helper()
	said, code := latchkey(t, s, args...)
	if code != 0 {
		t.Fatalf("latchkey %q: exit status %d\n%s", args, code, said)
	}
	return said
}

// fails runs a command of our own that has to fail, and says why.
func fails(t *testing.T, s *server, want string, args ...string) {
	t.Helper()
	if said, code := latchkey(t, s, args...); code != 1 || !strings.Contains(said, want) {
		t.Errorf("latchkey %q: exit status %d, want %q in\n%s", args, code, want, said)
	}
}

const mayAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// TestBackup: everything is there again after the data directory is lost, with the server running or stopped meanwhile.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	id, secret := accessKey(t, s, "tester", mayAll)
	backupID, backupSecret := accessKey(t, s, "backup", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["latchkey:CreateBackup","latchkey:ReadBackup"],"Resource":"*"}}`)
	snapshot := completed(t, call, corpID, "kept")
	usn := regexp.MustCompile(`(?m)^uSNChanged: .*$`).FindString(entry(t, s, corpAdmin, corpBase, "jane"))
	folder := t.TempDir()
	file := filepath.Join(folder, "latchkey.age")
	phrase := fileOf(t, "correct horse\nand what follows\n")
	if said := must(t, s, "backup", file, "--passphrase-file", phrase); !strings.HasPrefix(said, file+": ") {
		t.Error(said)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := fileOf(t, "# an identity\n"+identity.String()+"\n")
	must(t, s, "backup", filepath.Join(folder, "recipient.age"), "--recipient", identity.Recipient().String())
	// A key that may do nothing else.
	credentials := fileOf(t, fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", backupID, backupSecret))
	func() {
		other := *s
		other.data = t.TempDir()
		if err := os.Rename(credentials, other.credentialsFile()); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(other.caFile()), 0o700); err != nil {
			t.Fatal(err)
		}
		ca, err := os.ReadFile(s.caFile())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(other.caFile(), ca, 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, &other, "backup", filepath.Join(folder, "limited.age"), "--recipient", identity.Recipient().String())
		fails(t, &other, "AccessDenied", "access-key", "list")
	}()
	// What comes after the backups is in none of them.
	call(t, home, "ResetUserPassword", reset(corpID, "off", nextPassword)).accepted(t)
	fails(t, s, "the data directory is in use", "backup", filepath.Join(folder, "none.age"), "--stopped", "--data", s.data, "--recipient", identity.Recipient().String())
	s.stop()
	must(t, s, "backup", filepath.Join(folder, "stopped.age"), "--stopped", "--data", s.data, "--recipient", identity.Recipient().String())
	if err := os.RemoveAll(s.data); err != nil {
		t.Fatal(err)
	}
	fails(t, s, "not the data directory of a server", "backup", filepath.Join(folder, "none.age"), "--stopped", "--data", t.TempDir(), "--recipient", identity.Recipient().String())

	restored := s.data
	for _, c := range []struct {
		name, off string // off is the password of that user
		open      []string
	}{
		{"latchkey.age", firstPassword, []string{"--passphrase-file", phrase}},
		{"recipient.age", firstPassword, []string{"--identity", key}},
		{"limited.age", firstPassword, []string{"--identity", key}},
		{"stopped.age", nextPassword, []string{"--identity", key}},
	} {
		path := filepath.Join(folder, c.name)
		fails(t, s, "the passphrase or the identity is not the backup's; nothing was restored", "restore", path, "--data", restored, "--passphrase-file", fileOf(t, "battery staple"))
		if _, err := os.Stat(restored); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("something was restored: %v", err)
		}
		said := must(t, s, append([]string{"restore", path, "--data", restored}, c.open...)...)
		if !strings.Contains(said, "is as it was ") || strings.Contains(said, "hint") {
			t.Error(said)
		}
		auditVerified(t, restored)
		fails(t, s, "there is something in it already; nothing was restored", append([]string{"restore", path, "--data", restored}, c.open...)...)

		again := start(t, "", func(cfg *config.Config) { cfg.Data = restored })
		logins(t, again, `CORP\jane`, firstPassword, nextPassword)
		if c.off == nextPassword {
			logins(t, again, `CORP\off`, firstPassword, nextPassword)
		} else if data := login(t, again, `CORP\off`, nextPassword); data == "" {
			t.Errorf("%s: what came after it is in the backup", c.name)
		}
		if got := goCall(t, goSDKBy(again, id, secret), "DescribeDirectories", map[string]any{}); got.Exception != "" {
			t.Errorf("%s: the access key: %+v", c.name, got)
		}
		call := goClient(t, again)
		call(t, home, "ResetUserPassword", reset(corpID, "jane", lastPassword)).accepted(t)
		logins(t, again, `CORP\jane`, nextPassword, lastPassword)
		if now := regexp.MustCompile(`(?m)^uSNChanged: .*$`).FindString(entry(t, again, corpAdmin, corpBase, "jane")); len(now) <= len(usn) {
			t.Errorf("%s: the update sequence numbers go back: %s, then %s", c.name, usn, now)
		}
		call(t, home, "RestoreFromSnapshot", map[string]any{"SnapshotId": snapshot}).accepted(t)
		await(t, "the restored directory", func() bool { return described(t, call, home, corpID)["Stage"] == "Active" })
		logins(t, again, `CORP\jane`, lastPassword, nextPassword)
		again.stop()
		auditVerified(t, restored)
		if err := os.RemoveAll(restored); err != nil {
			t.Fatal(err)
		}
	}
}

const lastPassword = "Autumn-Wind-2027"

// TestBackupWhileWritten: what was acknowledged before a backup began is in it, whatever goes on meanwhile, and the audit trail
// agrees.
func TestBackupWhileWritten(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := fileOf(t, identity.String())
	users := []string{"lee.cli", "lee.gosdk", "lee.boto3"} // of a directory that locks nobody out
	passwordOf := func(i int) string { return fmt.Sprintf("Spring-Tide-%d", i) }
	var mu sync.Mutex
	acknowledged := map[string]int{}
	stop := make(chan struct{})
	var resetting sync.WaitGroup
	for _, user := range users {
		client := goSDK(s, home)
		resetting.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if got := goCall(t, client, "ResetUserPassword", reset(labID, user, passwordOf(i))); got.Exception != "" {
					t.Errorf("%s: %+v", user, got)
					return
				}
				mu.Lock()
				acknowledged[user] = i
				mu.Unlock()
			}
		})
	}
	state := func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(acknowledged)
	}
	const rounds = 4
	var before, after [rounds]map[string]int
	folder := t.TempDir()
	file := func(round int) string { return filepath.Join(folder, fmt.Sprint(round)) }
	for round := range rounds {
		// Each has changed once more.
		begin := state()
		await(t, "more resets", func() bool {
			now := state()
			for _, user := range users {
				if now[user] <= begin[user] {
					return false
				}
			}
			return true
		})
		before[round] = state()
		must(t, s, "backup", file(round), "--recipient", identity.Recipient().String())
		after[round] = state()
	}
	close(stop)
	resetting.Wait()
	s.stop()
	for round := range rounds {
		restored := filepath.Join(t.TempDir(), "data")
		must(t, s, "restore", file(round), "--data", restored, "--identity", key)
		auditVerified(t, restored)
		again := start(t, "", func(cfg *config.Config) { cfg.Data = restored })
		for _, user := range users {
			found := 0
			// One more may have been on its way.
			for i := before[round][user]; i <= after[round][user]+1 && found == 0; i++ {
				if login(t, again, user+"@lab.example.com", passwordOf(i)) == "" {
					found = i
				}
			}
			if found == 0 {
				t.Errorf("round %d: %s has none of the passwords %d to %d", round, user, before[round][user], after[round][user]+1)
			}
		}
		again.stop()
		auditVerified(t, restored)
	}
}

// TestBackupWithoutMasterKey: a key that is kept elsewhere is not in the backup, and restore says so.
func TestBackupWithoutMasterKey(t *testing.T) {
	t.Parallel()
	kept := fileOf(t, base64.StdEncoding.EncodeToString(make([]byte, 32)))
	s := start(t, worldSeed, func(cfg *config.Config) { cfg.MasterKeyFile = kept })
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "latchkey.age")
	must(t, s, "backup", file, "--recipient", identity.Recipient().String())
	s.stop()
	restored := filepath.Join(t.TempDir(), "data")
	said := must(t, s, "restore", file, "--data", restored, "--identity", fileOf(t, identity.String()))
	if !strings.Contains(said, "the master key is not in the backup") {
		t.Error(said)
	}
	if _, err := os.Stat(filepath.Join(restored, masterkey.File)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("master.key: %v", err)
	}
	again := start(t, "", func(cfg *config.Config) { cfg.Data, cfg.MasterKeyFile = restored, kept })
	if data := login(t, again, `CORP\jane`, firstPassword); data != "" {
		t.Errorf("data %s", data)
	}
}

// TestBackupRefused: what can't be done is said, and leaves nothing behind.
func TestBackupRefused(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	folder := t.TempDir()
	file := filepath.Join(folder, "latchkey.age")
	fails(t, s, "nobody could open the backup", "backup", file)
	fails(t, s, "the first line is empty", "backup", file, "--passphrase-file", fileOf(t, "\nsecret\n"))
	fails(t, s, "not for both", "backup", file, "--passphrase-file", fileOf(t, "secret"), "--recipient", "age1")
	fails(t, s, "--recipient: ", "backup", file, "--recipient", "age1nobody")
	fails(t, s, "nothing opens the backup", "restore", fileOf(t, "no backup"), "--data", filepath.Join(folder, "data"))
	fails(t, s, "the backup is damaged, or not a backup", "restore", fileOf(t, "no backup"), "--data", filepath.Join(folder, "data"), "--passphrase-file", fileOf(t, "secret"))
	secret := "AGE-SECRET-KEY-1NOTREALLY"
	if said, code := latchkey(t, s, "restore", file, "--data", filepath.Join(folder, "data"), "--identity", fileOf(t, secret)); code != 1 || !strings.Contains(said, "holds no age identities") || strings.Contains(said, secret) {
		t.Errorf("exit status %d: %s", code, said)
	}
	for body, want := range map[string]string{
		`{"BackupId":"` + strings.Repeat("A", 26) + `","Part":0}`: "EntityDoesNotExistException",
		`{"BackupId":"none","Part":0}`:                            "ValidationException",
	} {
		got := own("ReadBackup", body).send(t, s)
		if got.status == 200 || !strings.Contains(got.body, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
	half := t.TempDir()
	if err := os.WriteFile(filepath.Join(half, backup.Unfinished), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Listen: "127.0.0.1:0", LDAPListen: "127.0.0.1:0", LDAPSListen: "127.0.0.1:0", Data: half, AccountID: "123456789012"}
	if _, err := app.New(t.Context(), cfg, testLogger(), io.Discard); err == nil || !strings.Contains(err.Error(), "run latchkey restore again") {
		t.Errorf("a server in a directory that was not restored to the end: %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	cluster := start(t, clusterSeed, func(c *config.Config) { c.StoreEndpoints = []string{startEtcd(t)} })
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	fails(t, cluster, "UnsupportedOperationException: The store is an etcd cluster.", "backup", file, "--recipient", identity.Recipient().String())
	dev := start(t, worldSeed, func(c *config.Config) { c.Dev = true })
	var refusal struct{ Message string }
	begin := own("CreateBackup", `{"Recipients":["`+identity.Recipient().String()+`"]}`)
	begin.key, begin.secret = "AKIAIOSFODNN7EXAMPLE", "any"
	got := begin.send(t, dev)
	if err := json.Unmarshal([]byte(got.body), &refusal); err != nil || !strings.Contains(refusal.Message, "keeps nothing") {
		t.Errorf("a developer's server: %v", got)
	}
}
