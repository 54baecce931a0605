package e2e

import (
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"

	"latchkey/internal/app"
	"latchkey/internal/audit"
	"latchkey/internal/config"
	"latchkey/internal/masterkey"
)

// auditVerified proves the audit trail of a server that is stopped.
func auditVerified(t *testing.T, dir string) {
	t.Helper()
	key, err := audit.ReadPublic(filepath.Join(dir, audit.PublicFile))
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(dir, key)
	if err != nil || len(report.Findings) > 0 || report.Records == 0 {
		t.Errorf("%d records, %v, %v", report.Records, report.Findings, err)
	}
}

func testLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// goSDKBy is the Go SDK with an access key.
func goSDKBy(s *server, id, secret string) *directoryservice.Client {
	return directoryservice.New(directoryservice.Options{
		Region: home, BaseEndpoint: &s.API, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// TestRotateMasterKey: users, access keys, snapshots and the audit trail outlive other master keys, wherever those are kept.
func TestRotateMasterKey(t *testing.T) {
	s := start(t, worldSeed)
	call := goClient(t, s)
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	id, secret := accessKey(t, s, "tester", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	snapshot := completed(t, call, corpID, "before")
	s.stop()
	auditVerified(t, s.data)

	first, err := os.ReadFile(filepath.Join(s.data, masterkey.File))
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(t.TempDir(), "kept.key")
	if err := os.WriteFile(kept, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what       string
		before     config.Config
		next       masterkey.Source
		after      config.Config
		inDir, env string
	}{
		{what: "made in the data directory", inDir: "yes"},
		{what: "to a file", next: masterkey.Source{File: kept}, after: config.Config{MasterKeyFile: kept}},
		{
			what: "from a command to a variable", before: config.Config{MasterKeyCommand: "cat " + kept}, next: masterkey.Source{Env: masterkey.EnvNext},
			env: base64.StdEncoding.EncodeToString(first),
		},
	} {
		if c.env != "" {
			t.Setenv(masterkey.EnvNext, c.env)
		}
		c.before.Data = s.data
		done, err := app.RotateMasterKey(t.Context(), &c.before, c.next, false, testLogger())
		if err != nil || done.Count < 20 || len(done.Damaged) > 0 {
			t.Fatalf("%s: %+v, %v", c.what, done, err)
		}
		if _, err := os.Stat(filepath.Join(s.data, masterkey.File)); (err == nil) != (c.inDir != "") {
			t.Errorf("%s: master.key: %v", c.what, err)
		}
		if c.env != "" {
			t.Setenv(masterkey.Env, c.env)
		}
		again := start(t, "", func(cfg *config.Config) { cfg.Data, cfg.MasterKeyFile = s.data, c.after.MasterKeyFile })
		logins(t, again, `CORP\jane`, firstPassword, nextPassword)
		if data := login(t, again, corpAdmin, adminPassword); data != "" {
			t.Errorf("%s: the administrator: data %s", c.what, data)
		}
		if got := goCall(t, goSDKBy(again, id, secret), "DescribeDirectories", map[string]any{}); got.Exception != "" {
			t.Errorf("%s: the access key: %+v", c.what, got)
		}
		again.stop()
		auditVerified(t, s.data)
	}

	// What a snapshot has saved is sealed anew, too.
	t.Setenv(masterkey.Env, base64.StdEncoding.EncodeToString(first))
	last := start(t, "", func(cfg *config.Config) { cfg.Data = s.data })
	call = goClient(t, last)
	call(t, home, "RestoreFromSnapshot", map[string]any{"SnapshotId": snapshot}).accepted(t)
	await(t, "the restored directory", func() bool { return described(t, call, home, corpID)["Stage"] == "Active" })
	logins(t, last, `CORP\jane`, firstPassword, nextPassword)
	last.stop()

	// Former keys open nothing, and what is missing is said.
	wrong := &config.Config{Listen: "127.0.0.1:0", LDAPListen: "127.0.0.1:0", LDAPSListen: "127.0.0.1:0", Data: s.data, AccountID: "123456789012", MasterKeyFile: kept}
	if _, err := app.New(t.Context(), wrong, testLogger(), io.Discard); !errors.Is(err, masterkey.ErrForeign) {
		t.Errorf("a former key: %v", err)
	}
	none := *wrong
	none.MasterKeyFile = ""
	if _, err := app.New(t.Context(), &none, testLogger(), io.Discard); !errors.Is(err, masterkey.ErrForeign) || !strings.Contains(err.Error(), masterkey.File) {
		t.Errorf("no key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.data, masterkey.File)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made for a store that was there: %v", err)
	}
	if _, err := app.RotateMasterKey(t.Context(), wrong, masterkey.Source{}, false, testLogger()); err == nil || !strings.Contains(err.Error(), "give the new one") {
		t.Errorf("no new key: %v", err)
	}
	if _, err := app.RotateMasterKey(t.Context(), &config.Config{Data: t.TempDir()}, masterkey.Source{}, false, testLogger()); !errors.Is(err, app.ErrNoData) {
		t.Errorf("no data: %v", err)
	}
}

// TestMasterKeyIsNotInherited: the variable is gone once the server has read it.
func TestMasterKeyIsNotInherited(t *testing.T) {
	t.Setenv(masterkey.Env, base64.StdEncoding.EncodeToString(make([]byte, 32)))
	s := start(t, worldSeed)
	if text, there := os.LookupEnv(masterkey.Env); there {
		t.Errorf("the variable is there: %d bytes", len(text))
	}
	if _, err := os.Stat(filepath.Join(s.data, masterkey.File)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key in the data directory: %v", err)
	}
}

// TestRotateCluster: two servers on one etcd cluster get a new master key one after the other, and work together meanwhile.
func TestRotateCluster(t *testing.T) {
	t.Parallel()
	endpoint := startEtcd(t)
	on := func(data string) func(*config.Config) {
		return func(c *config.Config) { c.StoreEndpoints, c.Data = []string{endpoint}, data }
	}
	dirs := []string{t.TempDir(), t.TempDir()}
	first := start(t, clusterSeed, on(dirs[0]))
	former, err := os.ReadFile(filepath.Join(dirs[0], masterkey.File))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirs[1], masterkey.File), former, 0o600); err != nil {
		t.Fatal(err)
	}
	second := start(t, "", on(dirs[1]))
	first.stop()
	second.stop()
	rotate := func(data string, last bool) {
		t.Helper()
		if done, err := app.RotateMasterKey(t.Context(), &config.Config{Data: data, StoreEndpoints: []string{endpoint}}, masterkey.Source{}, last, testLogger()); err != nil || len(done.Damaged) > 0 {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	both := func(password string) {
		t.Helper()
		first, second = start(t, "", on(dirs[0])), start(t, "", on(dirs[1]))
		for _, s := range []*server{first, second} {
			goCall(t, goSDK(s, home), "ResetUserPassword", reset("d-00000000c1", "jane", password)).accepted(t)
		}
		await(t, "the new password at both", func() bool {
			return login(t, first, `CORP\jane`, password) == "" && login(t, second, `CORP\jane`, password) == ""
		})
		first.stop()
		second.stop()
	}
	rotate(dirs[0], false)
	both("Summer-Rain-2026")
	rotate(dirs[1], true)
	both("Autumn-Wind-2026")
	for _, dir := range dirs {
		if key, err := os.ReadFile(filepath.Join(dir, masterkey.File)); err != nil || string(key) == string(former) {
			t.Errorf("%s has the former key, %v", dir, err)
		}
		auditVerified(t, dir)
	}
}
