package masterkey

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/directory/embedded"
)

var (
	someKey  = bytes.Repeat([]byte{7}, embedded.MasterKeySize)
	someText = base64.StdEncoding.EncodeToString(someKey)
)

func TestSource(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const name = "LATCHKEY_MASTER_KEY"
	for what, c := range map[string]struct {
		source Source
		env    string
		fails  string
	}{
		"a variable":             {Source{Env: name}, someText, ""},
		"a variable's line":      {Source{Env: name}, someText + "\n", ""},
		"bytes in a file":        {Source{Env: name, File: file("raw", string(someKey), 0o600)}, "", ""},
		"base64 in a file":       {Source{Env: name, File: file("text", someText+"\n", 0o640)}, "", ""},
		"a command":              {Source{Env: name, Command: "printf %s " + someText[:10] + "; echo " + someText[10:]}, "", ""},
		"a command's pipe":       {Source{Env: name, Command: "head -c 32 " + file("piped", string(someKey), 0o600) + " | base64"}, "", ""},
		"an empty variable":      {Source{Env: name}, "\n", "must have 32 bytes, in base64, and has 0"},
		"a short variable":       {Source{Env: name}, "c2VjcmV0", "must have 32 bytes, in base64, and has 6"},
		"no base64":              {Source{Env: name}, "secret!", "it is not base64"},
		"no file":                {Source{Env: name, File: filepath.Join(dir, "none")}, "", "no such file"},
		"a file for everybody":   {Source{Env: name, File: file("open", someText, 0o604)}, "", "run chmod o="},
		"a large file":           {Source{Env: name, File: file("large", strings.Repeat("c2VjcmV0", 1000), 0o600)}, "", "larger than a key"},
		"a file without a key":   {Source{Env: name, File: file("other", "c2VjcmV0", 0o600)}, "", "and has 6"},
		"a command that fails":   {Source{Env: name, Command: "echo c2VjcmV0; echo locked >&2; echo more >&2; exit 3"}, "", "exit status 3: locked"},
		"a command that is none": {Source{Env: name, Command: "/no/such/program"}, "", "exit status 127: "},
		"a command's flood":      {Source{Env: name, Command: "while :; do echo c2VjcmV0c2VjcmV0; done | head -c 100000"}, "", "prints more than a key"},
		"two":                    {Source{Env: name, File: filepath.Join(dir, "text")}, someText, "LATCHKEY_MASTER_KEY and a file: leave one out"},
	} {
		if c.env != "" {
			t.Setenv(name, c.env)
		}
		key, err := c.source.Load(t.Context())
		switch {
		case c.fails == "" && (err != nil || !bytes.Equal(key, someKey)):
			t.Errorf("%s: %d bytes, %v", what, len(key), err)
		case c.fails != "" && (err == nil || key != nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%s: %v, want %q", what, err, c.fails)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "c2VjcmV0") || strings.Contains(err.Error(), "more\n")) {
			t.Errorf("%s: the error tells too much: %v", what, err)
		}
		if _, there := os.LookupEnv(name); there {
			t.Errorf("%s: the variable is still there", what)
		}
	}
	if key, err := (Source{Env: name}).Load(t.Context()); key != nil || err != nil {
		t.Errorf("nothing given: %d bytes, %v", len(key), err)
	}
}

// The variables of keys do not reach the command.
func TestCommandHasNoKeys(t *testing.T) {
	t.Setenv(EnvNext, someText)
	t.Setenv("LATCHKEY_OTHER", someText)
	source := Source{Env: Env, Command: `test -z "$` + EnvNext + `" && echo $LATCHKEY_OTHER`}
	if key, err := source.Load(t.Context()); err != nil || !bytes.Equal(key, someKey) {
		t.Errorf("%d bytes, %v", len(key), err)
	}
}

func TestInDirectory(t *testing.T) {
	dir := t.TempDir()
	made, err := InDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := InDirectory(dir)
	if err != nil || !bytes.Equal(again, made) || len(made) != embedded.MasterKeySize || bytes.Equal(made, make([]byte, len(made))) {
		t.Errorf("%d bytes, then %d, %v", len(made), len(again), err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), made[:31], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := InDirectory(dir); err == nil || !strings.Contains(err.Error(), "must hold 32 bytes and holds 31") {
		t.Errorf("a short key: %v", err)
	}
}
