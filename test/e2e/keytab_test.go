package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built is the program, made once for all tests, beside theirs: go test removes both.
var built = sync.OnceValues(func() (string, error) {
	tests, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(tests), "latchkey")
	said, err := exec.Command("go", "build", "-o", path, "latchkey/cmd/latchkey").CombinedOutput()
	if err != nil {
		return string(said), err
	}
	return path, nil
})

// latchkey runs a command of our own against the server, as an operator does.
func latchkey(t *testing.T, s *server, args ...string) (said string, code int) {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatalf("%v\n%s", err, path)
	}
	command := exec.CommandContext(t.Context(), path, args...)
	command.Env = environment(t, s, "LATCHKEY_ENDPOINT_URL="+s.API)
	out, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

// withKeytab proves by MIT's programs that the directory's krb5.conf and an account's keytab are what they need to log in.
func withKeytab(t *testing.T, s *server, id, realm, account string) {
	t.Helper()
	dir := t.TempDir()
	conf, code := latchkey(t, s, "krb5-conf", id)
	if code != 0 {
		t.Fatalf("krb5-conf: %s", conf)
	}
	if err := os.WriteFile(filepath.Join(dir, "krb5.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "keytab")
	if said, code := latchkey(t, s, "keytab", id, account, "-o", file); code != 0 || !strings.HasPrefix(said, file+": "+account+", version ") {
		t.Fatalf("keytab: %s", said)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keytab's mode: %v, %v", info, err)
	}
	run := func(name string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), program(t, name, "krb5-user"), args...)
		command.Env = environment(t, s, "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5CCNAME=FILE:"+filepath.Join(dir, "ccache"))
		out, err := command.CombinedOutput()
		return string(out), err
	}
	if said, err := run("klist", "-k", "-e", file); err != nil || strings.Count(said, account+"@"+realm) != 2 || !strings.Contains(said, "aes256-cts") || !strings.Contains(said, "aes128-cts") {
		t.Errorf("klist: %v\n%s", err, said)
	}
	if said, err := run("kinit", "-k", "-t", file, account+"@"+realm); err != nil {
		t.Errorf("kinit: %v\n%s", err, said)
	}
	if said, code := latchkey(t, s, "keytab", id, "krbtgt", "-o", file+".x"); code != 1 || !strings.Contains(said, "EntityDoesNotExistException") {
		t.Errorf("krbtgt's keytab: %d %s", code, said)
	}
	if said, err := os.ReadFile(filepath.Join(s.data, "audit.log")); err != nil || !strings.Contains(string(said), `"eventName":"ExportKeytab"`) {
		t.Errorf("the audit trail has nothing of it: %v", err)
	}
}
