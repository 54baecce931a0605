package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// machine is a Linux machine whose users a directory holds: namespaces in which /etc, /run and what daemons keep are the
// machine's own, and the network is the tests'.
type machine struct {
	pid string // of the first process in the namespaces
	end func() // ends that process, and so all others
}

// newMachine makes a machine until the test ends. files are those of its /etc that are not Debian's.
func newMachine(t *testing.T, hostname string, files map[string]string) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root", "namespaces take it")
	}
	dir := t.TempDir()
	etc, root := filepath.Join(dir, "files"), filepath.Join(dir, "root")
	put(t, etc, files)
	put(t, root, nil)
	// What is there already is copied; a folder that Debian's packages have not made is none of the machine's.
	const script = `set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
for own in etc var/lib/sss var/lib/samba var/log var/cache run; do
	[ -d "/$own" ] || continue
	mkdir -p "$1/$own"
	case $own in
		etc|var/lib/sss) cp -a "/$own/." "$1/$own/";;
		var/lib/samba) mkdir "$1/$own/private";;
		var/log) mkdir "$1/$own/sssd" "$1/$own/samba";;
		run) mkdir "$1/$own/samba"; chmod 1777 "$1/$own";; # where users' tickets are
	esac
done
cp -a --remove-destination "$2/." "$1/etc/"
for own in etc var/lib/sss var/lib/samba var/log var/cache run; do
	[ ! -d "/$own" ] || mount --bind "$1/$own" "/$own"
done
mount -t proc proc /proc
hostname "$3"
echo ready
exec cat`
	command := exec.Command(program(t, "unshare", "util-linux"), "--mount", "--uts", "--pid", "--fork", "--kill-child", "--propagation", "private", "/bin/sh", "-c", script, "machine", root, etc, hostname)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said safeBuffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = in.Close()
		_ = command.Wait()
	})
	t.Cleanup(end)
	await(t, "the machine: "+said.String(), func() bool { return strings.Contains(said.String(), "ready") })
	first, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return &machine{strings.TrimSpace(string(first)), end}
}

// put writes files into a folder, which it makes if it is missing.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if filepath.Base(name) == "sssd.conf" {
			mode = 0o600 // sssd takes no other
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// openDir is a folder that daemons can use which are not root: the test's own is closed to them.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "latchkey-e2e-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ca is the certificate of the server's authority.
func (s *server) ca(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.caFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// command is a program's call inside of the machine.
func (m *machine) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, "nsenter", "util-linux"), append([]string{"--target", m.pid, "--mount", "--uts", "--pid", "--"}, args...)...)
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "KRB5CCNAME=FILE:/run/tickets", "TMPDIR=/run"}
	command.Dir = "/"
	return command
}

// run runs a program and gives back all that it said.
func (m *machine) run(t *testing.T, input string, args ...string) (said string, code int) {
	t.Helper()
	command := m.command(t, args...)
	command.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// daemon runs a program until the machine ends.
func (m *machine) daemon(t *testing.T, args ...string) {
	t.Helper()
	background(t, m.command(t, args...), m.end)
}

// background runs a daemon that stays in the foreground, until the test ends: a failed test shows what it said. end has it
// end; nil is a signal to it.
func background(t *testing.T, command *exec.Cmd, end func()) {
	t.Helper()
	var said safeBuffer
	command.Stdout, command.Stderr = &said, &said
	if end == nil {
		end = func() { _ = command.Process.Signal(syscall.SIGTERM) }
	}
	// The test's context is done before what it has made is cleaned up, and kills.
	command.Cancel = func() error { return nil }
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("%v said:\n%s", command.Args, said.String())
		}
	})
}

// installed is the path of a program that is not in everybody's PATH.
func installed(t *testing.T, pattern, pack string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		missing(t, filepath.Base(pattern), "apt-get install "+pack)
	}
	return found[len(found)-1]
}

// consumerSeed is a directory whose users log in to other programs. svc is the account by which those look for them.
const consumerSeed = `
directories:
  - id: ` + corpID + `
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: ` + adminPassword + `
    passwordPolicy: {minAge: 0s}
    organizationalUnits: [Sales/Berlin]
    groups:
      - {name: Everyone}
      - {name: Crew, groups: [Everyone]}
      - {name: Others}
    users:
      - {name: svc, password: ` + adminPassword + `}
      - {name: jane, displayName: Jane Doe, ou: Sales/Berlin, password: ` + firstPassword + `, groups: [Crew]}
      - {name: joe, displayName: Joe Bloggs, password: ` + firstPassword + `, groups: [Others]}
      - {name: off, password: ` + firstPassword + `, groups: [Crew], disabled: true}
`

const customerDN = "OU=CORP," + corpBase

// consumed holds for a consumer that jane's password is the old one before a reset, and after it the new one alone.
// logIn gives what was said where a login was refused.
func consumed(t *testing.T, s *server, logIn func(user, password string) error) {
	t.Helper()
	check := func(when, user, password string, want bool) {
		t.Helper()
		if err := logIn(user, password); (err == nil) != want {
			t.Errorf("%s: the login of %s: %v", when, user, err)
		}
	}
	check("before the reset, with the password", "jane", firstPassword, true)
	check("before the reset, with another", "jane", nextPassword, false)
	commandLine(t, s)(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	check("after the reset, with the new password", "jane", nextPassword, true)
	check("after the reset, with the old one", "jane", firstPassword, false)
	check("disabled", "off", firstPassword, false)
	check("nobody", "nobody-here", firstPassword, false)
}

// refusal is what a consumer said, as an error.
func refusal(said string, code int) error {
	if code == 0 {
		return nil
	}
	return fmt.Errorf("%d %s", code, strings.TrimSpace(said))
}
