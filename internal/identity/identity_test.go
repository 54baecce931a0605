package identity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLoadRootCreatesAndKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := LoadRoot(dir, environment())
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(first.AccessKeyID) || len(first.SecretAccessKey) != 40 {
		t.Errorf("credentials do not look like AWS's: %d characters of secret, %s", len(first.SecretAccessKey), first)
	}
	info, err := os.Stat(filepath.Join(dir, RootFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("got mode %v, %v; want 0600", info.Mode(), err)
	}
	again, err := LoadRoot(dir, environment())
	if err != nil || again != first {
		t.Errorf("a second load differs: %v, %v", again, err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("the data directory holds %v, want the credentials alone", files)
	}
}

func TestLoadRootAtOnce(t *testing.T) {
	dir := t.TempDir()
	var loads sync.WaitGroup
	roots := make([]Credentials, 8)
	for i := range roots {
		loads.Go(func() {
			root, err := LoadRoot(dir, environment())
			if err != nil {
				t.Error(err)
			}
			roots[i] = root
		})
	}
	loads.Wait()
	for _, root := range roots {
		if root != roots[0] {
			t.Fatalf("concurrent loads differ: %v and %v", root, roots[0])
		}
	}
}

func TestLoadRootFromEnvironment(t *testing.T) {
	id, secret := "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	dir := t.TempDir()
	root, err := LoadRoot(dir, environment(EnvRootAccessKeyID, id, EnvRootSecretAccessKey, secret))
	if err != nil || root.AccessKeyID != id || root.SecretAccessKey != secret {
		t.Fatalf("got %v, %v", root, err)
	}
	if _, err := os.Stat(filepath.Join(dir, RootFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made although the environment has the credentials")
	}

	for _, refused := range []struct{ name, id, secret, text string }{
		{"no secret", id, "", "set both or neither"},
		{"no id", "", secret, "set both or neither"},
		{"short id", "AKIA", secret, "16 to 128"},
		{"id with a slash", "AKIAIOSFODNN7EXAMPL/", secret, "letters, digits and underscores"},
		{"short secret", id, "hunter2", "16 to 256"},
		{"secret with a line break", id, secret + "\n", "printable"},
	} {
		_, err := LoadRoot(dir, environment(EnvRootAccessKeyID, refused.id, EnvRootSecretAccessKey, refused.secret))
		if err == nil || !strings.Contains(err.Error(), refused.text) {
			t.Errorf("%s: got %v, want an error with %q", refused.name, err, refused.text)
		}
		if err != nil && refused.secret != "" && strings.Contains(err.Error(), refused.secret) {
			t.Errorf("%s: the error holds the secret", refused.name)
		}
	}
}

func TestLoadRootFile(t *testing.T) {
	good := "# made by hand\n[other]\naws_access_key_id=AKIAOTHEROTHEROTHER2\n[ default ]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\n" +
		"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE=Y\nregion = us-east-1\n"
	for _, file := range []struct {
		name, text string
		mode       fs.FileMode
		refusal    string
	}{
		{"by hand", good, 0o600, ""},
		{"read-only", good, 0o400, ""},
		{"group may read", good, 0o640, "chmod 600"},
		{"all may read", good, 0o604, "chmod 600"},
		{"empty", "", 0o600, "[default] needs"},
		{"no section", "aws_access_key_id=AKIAIOSFODNN7EXAMPLE\n", 0o600, "[default] needs"},
		{"not ini", "[default]\nhello\n", 0o600, "line 2"},
		{"short", "[default]\naws_access_key_id=A\naws_secret_access_key=B\n", 0o600, "16 to 128"},
	} {
		t.Run(file.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, RootFile)
			if err := os.WriteFile(path, []byte(file.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, file.mode); err != nil {
				t.Fatal(err)
			}
			root, err := LoadRoot(dir, environment())
			if file.refusal == "" {
				if err != nil || root.AccessKeyID != "AKIAIOSFODNN7EXAMPLE" || !strings.HasSuffix(root.SecretAccessKey, "EXAMPLE=Y") {
					t.Errorf("got %v, %v", root, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), file.refusal) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q and the path", err, file.refusal)
			}
		})
	}
}

func TestCredentialsHideTheSecret(t *testing.T) {
	c := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "sesame"}
	var text strings.Builder
	fmt.Fprintf(&text, "%v %+v %#v %s", c, c, c, c)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("start", "root", c)
	if strings.Contains(text.String(), "sesame") {
		t.Errorf("the secret was printed: %s", text.String())
	}
}

func TestKeys(t *testing.T) {
	ctx := context.Background()
	root := Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	keys := NewKeys("aws", "123456789012", root, nil)
	secret, who, err := keys.Lookup(ctx, root.AccessKeyID, "")
	if err != nil || secret != root.SecretAccessKey || who != Root("aws", "123456789012", root.AccessKeyID) {
		t.Errorf("got %v, %v", who, err)
	}
	if secret, _, err := keys.Lookup(ctx, "AKIAIOSFODNN7EXAMPLF", ""); !errors.Is(err, ErrUnknownKey) || secret != "" {
		t.Errorf("unknown key: got %v", err)
	}
	if secret, _, err := keys.Lookup(ctx, root.AccessKeyID, "token"); !errors.Is(err, ErrToken) || secret != "" {
		t.Errorf("token with a long-lived key: got %v", err)
	}
	_, who, err = NewAnyKeys("aws", "000000000000", nil).Lookup(ctx, "test", "token")
	if !errors.Is(err, ErrAny) || who != Root("aws", "000000000000", "test") {
		t.Errorf("any key: got %v, %v", who, err)
	}
}
