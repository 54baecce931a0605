package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"latchkey/internal/config"
)

// release is the name of a release, such as 1.0.0, whose data is to be kept for TestUpgrade:
//
//	go test ./test/e2e -run TestUpgrade -release 1.0.0
var release = flag.String("release", "", "keep what this version writes, for the tests of later ones")

const (
	releases = "testdata/release"
	// maxRelease is how large the data of a release may be: it stays in the repository for good.
	maxRelease = 200 << 10
)

// known is what the data of a release is opened with.
type known struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	Identity        string `json:"identity"` // of its backup
	Snapshot        string `json:"snapshot"`
}

const releaseSeed = `
directories:
  - id: ` + corpID + `
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: ` + adminPassword + `
    passwordPolicy: {minLength: 8}
    organizationalUnits: [Sales/Berlin]
    groups:
      - {name: Staff}
    users:
      - {name: jane, displayName: Jane Doe, password: ` + firstPassword + `, ou: Sales/Berlin, groups: [Staff]}
      - {name: off, password: ` + firstPassword + `, disabled: true}
`

// written is a data directory and a backup as this version writes them, packed.
func written(t *testing.T) []byte {
	t.Helper()
	s := start(t, releaseSeed)
	call := goClient(t, s)
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k := known{Identity: identity.String(), Snapshot: completed(t, call, corpID, "release")}
	k.AccessKeyID, k.SecretAccessKey = accessKey(t, s, "helpdesk", releasePolicy)
	folder := t.TempDir()
	must(t, s, "backup", filepath.Join(folder, "backup.age"), "--recipient", identity.Recipient().String())
	s.stop()
	if err := os.WriteFile(filepath.Join(folder, "known.json"), encode(t, k), 0o600); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	entries := tar.NewWriter(zipped)
	for _, from := range []struct{ dir, prefix string }{{folder, ""}, {s.data, "data"}} {
		err = errors.Join(err, filepath.WalkDir(from.dir, func(path string, entry fs.DirEntry, err error) error {
			// etcd makes room in files that it has not begun yet.
			if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, ".tmp") {
				return err
			}
			name, err := filepath.Rel(from.dir, path)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			header := &tar.Header{Name: filepath.Join(from.prefix, name), Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg}
			if err := entries.WriteHeader(header); err != nil {
				return err
			}
			_, err = entries.Write(content)
			return err
		}))
	}
	if err := errors.Join(err, entries.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	if packed.Len() > maxRelease {
		t.Fatalf("%d bytes are more than %d", packed.Len(), maxRelease)
	}
	return packed.Bytes()
}

// releasePolicy lets a key reset Berlin's users, and nothing else.
const releasePolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ds:ResetUserPassword","Resource":"*",
	"Condition":{"ForAnyValue:StringEquals":{"latchkey:UserOU":"OU=Berlin,OU=Sales,OU=CORP,DC=corp,DC=example,DC=com"}}}}`

// unpack writes the data of a release to a new folder.
func unpack(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	entries := tar.NewReader(zipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, filepath.Clean("/"+header.Name))
		content, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpgrade starts this version with what each release has written, and it itself, its data directory and its backup: users
// log in, the access key does what its policy says, the snapshot is there, and the audit trail is whole.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	now := written(t)
	if *release != "" {
		// Those that are there stay as they are.
		file, err := os.OpenFile(filepath.Join(releases, *release+".tar.gz"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.Write(now)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := filepath.Glob(filepath.Join(releases, "*.tar.gz"))
	if err != nil || len(all) == 0 {
		t.Fatal("no release", err)
	}
	itself := filepath.Join(t.TempDir(), "itself.tar.gz")
	if err := os.WriteFile(itself, now, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(all, itself) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".tar.gz"), func(t *testing.T) {
			t.Parallel()
			folder := unpack(t, path)
			text, err := os.ReadFile(filepath.Join(folder, "known.json"))
			if err != nil {
				t.Fatal(err)
			}
			var k known
			if err := json.Unmarshal(text, &k); err != nil {
				t.Fatal(err)
			}
			data, restored := filepath.Join(folder, "data"), filepath.Join(folder, "restored")
			must(t, &server{data: data}, "restore", filepath.Join(folder, "backup.age"), "--data", restored, "--identity", fileOf(t, k.Identity))
			for _, dir := range []string{data, restored} {
				auditVerified(t, dir)
				s := start(t, "", func(c *config.Config) { c.Data = dir })
				logins(t, s, `CORP\jane`, firstPassword, nextPassword)
				if data := login(t, s, corpAdmin, adminPassword); data != "" {
					t.Errorf("%s: the administrator: data %s", dir, data)
				}
				help := goSDKBy(s, k.AccessKeyID, k.SecretAccessKey)
				if got := goCall(t, help, "ResetUserPassword", reset(corpID, "jane", lastPassword)); got.Exception != "" {
					t.Errorf("%s: the access key: %+v", dir, got)
				}
				logins(t, s, `CORP\jane`, nextPassword, lastPassword)
				for operation, in := range map[string]map[string]any{"ResetUserPassword": reset(corpID, "off", lastPassword), "DescribeDirectories": {}} {
					if got := goCall(t, help, operation, in); got.Exception != "AccessDeniedException" {
						t.Errorf("%s: the access key: %s: %+v", dir, operation, got)
					}
				}
				call := goClient(t, s)
				call(t, home, "RestoreFromSnapshot", map[string]any{"SnapshotId": k.Snapshot}).accepted(t)
				await(t, "the restored directory", func() bool { return described(t, call, home, corpID)["Stage"] == "Active" })
				logins(t, s, `CORP\jane`, lastPassword, nextPassword)
				s.stop()
				auditVerified(t, dir)
			}
		})
	}
}
