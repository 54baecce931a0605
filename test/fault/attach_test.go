package fault

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/directory"
)

// directory runs `latchkey directory` as an operator would, and gives back what it said and its exit status.
func (s *server) directory(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, append([]string{"directory"}, args...)...)
	command.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "LATCHKEY_ENDPOINT_URL="+s.API)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// TestAttach: an operator attaches a domain by the command line. Whatever is wrong is said, with what to do, and nothing is
// attached; once it is right, users below the OU are reset and others are not; the check tells the same at any time, and after
// the domain is detached it is as it was.
func TestAttach(t *testing.T) {
	const address = "127.83.6.1"
	d := newStranger(t, []string{address})
	s := start(t, filepath.Join(t.TempDir(), "data"), "")
	w := &sambaWorld{server: s}
	other := filepath.Join(t.TempDir(), "other.pem")
	newAuthority(t, other)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("not-the-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	attach := func(change map[string]string, more ...string) (string, int) {
		flags := map[string]string{
			"--type": "SimpleAD", "--name": domainName, "--short-name": "FAULT", "--url": "ldaps://" + address, "--ca-file": filepath.Join(d.dir, "ca.pem"),
			"--bind-dn": `FAULT\` + serviceName, "--bind-password-file": d.password, "--reset-base": sales,
		}
		maps.Copy(flags, change)
		args := append([]string{"attach"}, more...)
		for flag, value := range flags {
			args = append(args, flag, value)
		}
		return s.directory(t, args...)
	}
	for name, c := range map[string]struct {
		change map[string]string
		says   string
	}{
		"another authority":     {map[string]string{"--ca-file": other}, "certificate"},
		"a port without TLS":    {map[string]string{"--url": "ldaps://" + address + ":389"}, "636"},
		"the global catalog":    {map[string]string{"--url": "ldaps://" + address + ":3269"}, "global catalog"},
		"nobody there":          {map[string]string{"--url": "ldaps://127.83.6.9"}, "refused"},
		"a wrong password":      {map[string]string{"--bind-password-file": wrong}, "password"},
		"another NetBIOS name":  {map[string]string{"--short-name": "OTHER"}, "FAULT"},
		"another domain":        {map[string]string{"--name": "other.example.com"}, baseDN},
		"an OU that is missing": {map[string]string{"--reset-base": "OU=Nowhere," + baseDN}, "OU=Nowhere"},
		"no rights there":       {map[string]string{"--reset-base": "CN=Users," + baseDN}, "Reset Password"},
	} {
		said, code := attach(c.change)
		if code != 1 || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d, want %q in:\n%s", name, code, c.says, said)
		}
	}
	if said, code := attach(nil, "--respect-history"); code != 1 || !strings.Contains(said, "policy hints") {
		t.Errorf("an option that the domain does not support: %d %s", code, said)
	}
	if all := s.directories(t); len(all) != 0 {
		t.Fatalf("attached in spite of it: %v", all)
	}

	said, code := attach(nil)
	if code != 0 {
		t.Fatalf("%d %s", code, said)
	}
	var id string
	for each := range s.directories(t) {
		id = each
	}
	reset := func(user, password string) string {
		t.Helper()
		exception, _ := w.answer(t, map[string]string{"DirectoryId": id, "UserName": user, "NewPassword": password})
		return exception
	}
	s.LDAPS = "ldaps://" + address
	s.trust = d.trust(t)
	if exception := reset("stream0", "Storm-Wind-attached"); exception != "" {
		t.Errorf("inside: %s", exception)
	}
	if code := s.login(t, `FAULT\stream0`, "Storm-Wind-attached"); code != "" {
		t.Errorf("the new password: %s", code)
	}
	if code := s.login(t, `FAULT\stream0`, firstPassword); code != "52e" {
		t.Errorf("the old password: %q", code)
	}
	for user, want := range map[string]string{"outsider": "UnsupportedOperationException", "Administrator": "UnsupportedOperationException", "nobody": "UserDoesNotExistException"} {
		if exception := reset(user, "Storm-Wind-attached"); exception != want {
			t.Errorf("%s: %q, want %s", user, exception, want)
		}
	}
	if exception := reset("stream0", "short"); exception != "InvalidPasswordException" {
		t.Errorf("a weak password: %q", exception)
	}
	// The same domain with other settings: the password is proven before it is acknowledged, and has to be changed.
	if said, code := attach(nil, "--id", id, "--read-back", "--must-change"); code != 0 {
		t.Errorf("other settings: %d %s", code, said)
	}
	if exception := reset("stream1", "Storm-Wind-changing"); exception != "" {
		t.Errorf("with other settings: %s", exception)
	}
	if code := s.login(t, `FAULT\stream1`, "Storm-Wind-changing"); code != "773" {
		t.Errorf("a password that must be changed: %q", code)
	}
	if exception := reset("outsider", "Storm-Wind-changing"); exception != "UnsupportedOperationException" {
		t.Errorf("outside, with other settings: %s", exception)
	}
	// The account itself can't go beyond its rights either, whatever the settings say.
	if said, code := s.directory(t, "check", id); code != 0 || strings.Contains(said, adminPassword) || strings.Contains(said, servicePassword) {
		t.Errorf("check: %d %s", code, said)
	}
	if said, code := s.directory(t, "delegation", id, "--account", `FAULT\`+serviceName); code != 0 || !strings.Contains(said, "samba-tool dsacl set") || !strings.Contains(said, "dsacls ") {
		t.Errorf("delegation: %d %s", code, said)
	}
	d.engine.Drop(d.domain.ID)
	if said, code := s.directory(t, "check", id); code != 1 || !strings.Contains(said, "refused") {
		t.Errorf("check without the domain: %d %s", code, said)
	}
	if said, code := s.directory(t, "detach", id); code != 0 {
		t.Errorf("detach: %d %s", code, said)
	}
	if all := s.settle(t); len(all) != 0 {
		t.Errorf("still attached: %v", all)
	}
	if err := d.engine.Serve(t.Context(), d.domain, d.hosts); err != nil {
		t.Fatal(err)
	}
	conn, err := d.engine.Conn(d.domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := directory.FindUser(t.Context(), conn, d.domain, "stream0"); err != nil {
		t.Errorf("after detaching: %v", err)
	}
	s.stop(t)
}
