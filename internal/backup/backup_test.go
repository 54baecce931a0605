package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"latchkey/internal/audit"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/store"
)

var quiet = slog.New(slog.DiscardHandler)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// served is the data directory of a server that has recorded something, and its parts.
func served(t *testing.T) (Source, *audit.Log) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	records, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "store"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	if _, err := records.Once(t.Context(), "something", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	ring, err := embedded.NewKeyring(make([]byte, embedded.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.LoadSigner(dir, ring)
	if err != nil {
		t.Fatal(err)
	}
	trail, err := audit.Open(dir, audit.Options{Signer: signer, Logger: quiet, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = trail.Close() })
	for name, text := range map[string]string{"node": "0123456789\n", "master.key": strings.Repeat("k", 32), "tls/ca.pem": "a certificate", "lock": "1"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return Source{Dir: dir, Store: records, Running: true, Now: time.Now}, trail
}

func happen(t *testing.T, trail *audit.Log, id string) {
	t.Helper()
	if err := trail.Outcome(t.Context(), &audit.Event{RequestID: id, EventName: "ResetUserPassword"}); err != nil {
		t.Fatal(err)
	}
}

func written(t *testing.T, s Source, recipients ...age.Recipient) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := s.Write(t.Context(), &file, recipients...); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// names is what lies below a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRestore(t *testing.T) {
	s, trail := served(t)
	happen(t, trail, "first")
	id := identity(t)
	file := written(t, s, id.Recipient())
	// It is not in the backup.
	happen(t, trail, "second")
	if _, err := s.Store.Once(t.Context(), "later", []byte("kept")); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "deep", "restored")
	m, err := Restore(bytes.NewReader(file), dir, quiet, identity(t), id)
	if err != nil || !m.MasterKey || time.Since(m.Created) > time.Hour {
		t.Fatalf("%+v, %v", m, err)
	}
	for name, want := range map[string]string{"node": "0123456789\n", "master.key": strings.Repeat("k", 32), "tls/ca.pem": "a certificate"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		text, readErr := os.ReadFile(path)
		if err != nil || readErr != nil || string(text) != want || info.Mode() != 0o640 {
			t.Errorf("%s: %q, %v, %v", name, text, info, errors.Join(err, readErr))
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	for _, name := range []string{"lock", storeName, manifestName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left := names(t, filepath.Dir(dir)); slices.ContainsFunc(left, func(name string) bool { return strings.Contains(name, ".new") }) {
		t.Errorf("left behind: %v", left)
	}
	key, err := audit.ReadPublic(filepath.Join(dir, audit.PublicFile))
	if err != nil {
		t.Fatal(err)
	}
	if report, err := audit.Verify(dir, key); err != nil || len(report.Findings) > 0 || report.Records != 1 || report.Unsigned != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	records, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "store"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	if value, err := records.Given(t.Context(), "something"); err != nil || string(value) != "kept" {
		t.Errorf("%q, %v", value, err)
	}
	if _, err := records.Given(t.Context(), "later"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what came later: %v", err)
	}
	// No revision is given a second time.
	aliases, err := records.FollowAccessKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := store.AccessKey{ID: "AKIAIOSFODNN7EXAMPLE"}
	if err := aliases.Put(t.Context(), &made); err != nil || made.Revision < 1<<24 {
		t.Errorf("revision %d, %v", made.Revision, err)
	}
}

// TestRefused: what is damaged, cut off or for somebody else changes nothing, nor does what is there already.
func TestRefused(t *testing.T) {
	s, trail := served(t)
	happen(t, trail, "first")
	id := identity(t)
	file := written(t, s, id.Recipient())
	parent := t.TempDir()
	dir := filepath.Join(parent, "restored")
	refused := func(what string, text []byte, want error, ids ...age.Identity) {
		t.Helper()
		if _, err := Restore(bytes.NewReader(text), dir, quiet, ids...); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if left := names(t, parent); len(left) != 1 {
			t.Errorf("%s: left behind: %v", what, left)
		}
	}
	refused("another identity", file, ErrNoIdentity, identity(t))
	passphrase, err := age.NewScryptIdentity("guessed")
	if err != nil {
		t.Fatal(err)
	}
	refused("a passphrase", file, ErrNoIdentity, passphrase)
	for range 40 {
		refused("cut off", file[:rand.IntN(len(file))], ErrDamaged, id)
		flipped := bytes.Clone(file)
		// The lines before the header's MAC name the recipient: what is altered there is for nobody.
		flipped[200+rand.IntN(len(file)-200)] ^= 1 << rand.IntN(8)
		refused("a bit", flipped, ErrDamaged, id)
	}
	refused("one byte less", file[:len(file)-1], ErrDamaged, id)
	refused("one byte more", append(bytes.Clone(file), 0), ErrDamaged, id)
	refused("nothing", nil, ErrDamaged, id)

	if err := os.MkdirAll(filepath.Join(dir, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(bytes.NewReader(file), dir, quiet, id); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a directory that is not empty: %v", err)
	}
	if left := names(t, parent); len(left) != 3 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRestoreInto: a directory that is there, such as a volume, is filled, also after a restoration that was killed in it; one
// that fails leaves it empty.
func TestRestoreInto(t *testing.T) {
	s, _ := served(t)
	id := identity(t)
	file := written(t, s, id.Recipient())
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{file[:len(file)-1], nil} {
		if _, err := Restore(bytes.NewReader(damaged), dir, quiet, id); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut off: %v", err)
		}
		if left := names(t, dir); len(left) != 2 {
			t.Errorf("left behind: %v", left)
		}
	}
	for name, text := range map[string]string{Unfinished: "", "node": "half", ".restore.1.new/node": "half"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Restore(bytes.NewReader(file), dir, quiet, id); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "node")); err != nil || string(text) != "0123456789\n" {
		t.Errorf("%q, %v", text, err)
	}
	for _, name := range names(t, dir) {
		if name == "/"+Unfinished || strings.HasSuffix(name, ".new") {
			t.Errorf("left behind: %s", name)
		}
	}
	if _, err := Restore(bytes.NewReader(file), dir, quiet, id); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a second time: %v", err)
	}
}

// TestPassphrase: the right one opens it, and no other.
func TestPassphrase(t *testing.T) {
	s, _ := served(t)
	recipient, err := age.NewScryptRecipient("right")
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(10)
	file := written(t, s, recipient)
	for phrase, want := range map[string]error{"wrong": ErrNoIdentity, "right": nil} {
		given, err := age.NewScryptIdentity(phrase)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(bytes.NewReader(file), filepath.Join(t.TempDir(), "data"), quiet, given); !errors.Is(err, want) {
			t.Errorf("%s: %v", phrase, err)
		}
	}
}

// TestHostile: an archive that somebody else made writes nowhere but in the data directory.
func TestHostile(t *testing.T) {
	id := identity(t)
	outside := t.TempDir()
	manifest := &tar.Header{Name: manifestName, Mode: 0o600, Typeflag: tar.TypeReg, Size: int64(len(`{"format":1}`))}
	for what, headers := range map[string][]*tar.Header{
		"above":           {{Name: "../escaped", Typeflag: tar.TypeReg}},
		"absolute":        {{Name: outside + "/escaped", Typeflag: tar.TypeReg}},
		"through a link":  {{Name: "link", Typeflag: tar.TypeSymlink, Linkname: outside}, {Name: "link/escaped", Typeflag: tar.TypeReg}},
		"over a link":     {{Name: "link", Typeflag: tar.TypeSymlink, Linkname: outside + "/escaped"}, {Name: "./link", Typeflag: tar.TypeReg}},
		"a device":        {{Name: "device", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"a hard link":     {{Name: "hard", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
		"without a store": {{Name: "node", Typeflag: tar.TypeReg}},
		"no database":     {{Name: "node", Typeflag: tar.TypeReg}, {Name: storeName, Typeflag: tar.TypeReg}},
	} {
		var file bytes.Buffer
		encrypted, err := age.Encrypt(&file, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		packed := gzip.NewWriter(encrypted)
		entries := tar.NewWriter(packed)
		for i, header := range append([]*tar.Header{manifest}, headers...) {
			header.Mode = 0o600
			if err := entries.WriteHeader(header); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if _, err := io.WriteString(entries, `{"format":1}`); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := errors.Join(entries.Close(), packed.Close(), encrypted.Close()); err != nil {
			t.Fatal(err)
		}
		parent := t.TempDir()
		if _, err := Restore(&file, filepath.Join(parent, "data"), quiet, id); err == nil {
			t.Errorf("%s: it was restored", what)
		}
		if left := slices.Concat(names(t, parent), names(t, outside)); len(left) != 2 {
			t.Errorf("%s: left behind: %v", what, left)
		}
	}
}

// read is all parts of a backup.
func read(t *testing.T, s *Server, id string) (all []byte) {
	t.Helper()
	for part := 0; ; part++ {
		data, last, err := s.Read(id, part)
		if err != nil {
			t.Fatal(err)
		}
		// A part that got lost on its way.
		again, lastAgain, err := s.Read(id, part)
		if err != nil || !bytes.Equal(again, data) || lastAgain != last {
			t.Fatalf("part %d once more: %v", part, err)
		}
		if all = append(all, data...); last {
			return all
		}
	}
}

func TestServer(t *testing.T) {
	source, trail := served(t)
	happen(t, trail, "first")
	// More than one part, and nothing that gzip makes small.
	large := make([]byte, 3*partBytes)
	for i := range large {
		large[i] = byte(rand.Uint32())
	}
	if err := os.WriteFile(filepath.Join(source.Dir, "large"), []byte(base64.StdEncoding.EncodeToString(large)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{Source: source}
	defer s.Close()
	id := identity(t)
	if _, err := s.Begin([]string{id.Recipient().String(), "age1nobody"}); !errors.Is(err, ErrRecipient) {
		t.Errorf("no recipient: %v", err)
	}
	given, err := s.Begin([]string{id.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Read(given, 1); !errors.Is(err, ErrOrder) {
		t.Errorf("the second part first: %v", err)
	}
	if _, _, err := s.Read(given, 0); err != nil {
		t.Fatal(err)
	}
	again, err := s.Begin([]string{id.Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Read(given, 1); !errors.Is(err, ErrNone) {
		t.Errorf("a backup after which another was begun: %v", err)
	}
	if _, err := Restore(bytes.NewReader(read(t, s, again)), filepath.Join(t.TempDir(), "data"), quiet, id); err != nil {
		t.Error(err)
	}

	// A backup that nobody reads ends with the server, and one that fails says so.
	if given, err = s.Begin([]string{id.Recipient().String()}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, _, err := s.Read(given, 0); !errors.Is(err, ErrNone) {
		t.Errorf("after the end: %v", err)
	}
	if err := os.Remove(filepath.Join(source.Dir, audit.DigestFile)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := source.Write(ctx, io.Discard, id.Recipient()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a digest: %v", err)
	}
}
