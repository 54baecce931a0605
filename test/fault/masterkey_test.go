package fault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rotateTimeout is far more than a rotation takes.
const rotateTimeout = time.Minute

// latchkeyCommand runs the program to its end, or until it is killed after that life.
func latchkeyCommand(t *testing.T, life time.Duration, arguments ...string) (said string, err error) {
	t.Helper()
	var out bytes.Buffer
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(life, func() { _ = command.Process.Kill() })
	defer timer.Stop()
	err = command.Wait()
	return out.String(), err
}

func killed(err error) bool {
	exited, ok := errors.AsType[*exec.ExitError](err)
	return ok && exited.ExitCode() == -1
}

// TestKillRotation kills the rotation of the master key at random moments, and servers that run in between. Whatever is reset
// meanwhile and whatever was there before logs in, and the audit trail is whole; after the end the former key opens nothing.
func TestKillRotation(t *testing.T) {
	const users = 200
	var seed strings.Builder
	fmt.Fprintf(&seed, "directories:\n  - id: %s\n    type: SimpleAD\n    name: %s\n    password: %s\n    users:\n", directoryID, domainName, adminPassword)
	for i := range users {
		fmt.Fprintf(&seed, "      - {name: user%d, password: %s}\n", i, firstPassword)
	}
	path := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(path, []byte(seed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, path)
	s.stop(t)
	keyFile := filepath.Join(data, "master.key")
	first, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	if said, err := latchkeyCommand(t, rotateTimeout, "master-key", "rotate", "--data", data); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	whole := time.Since(began)

	interrupted := 0
	passwords := map[string]string{}
	for round := range kills(t) {
		said, err := latchkeyCommand(t, randomly(whole), "master-key", "rotate", "--data", data)
		if err != nil && !killed(err) {
			t.Fatalf("%v: %s", err, said)
		}
		if err != nil {
			interrupted++
		}
		s := start(t, data, "")
		for i := 0; i < users; i += 40 {
			name := fmt.Sprintf("user%d", i)
			password, changed := passwords[name]
			if !changed {
				password = firstPassword
			}
			if code := s.login(t, name+"@"+domainName, password); code != "" {
				t.Errorf("round %d: %s: data %s", round, name, code)
			}
		}
		name, password := fmt.Sprintf("user%d", round%5*40), fmt.Sprintf("Spring-Tide-%d", round)
		s.must(t, "ResetUserPassword", resetOf(name, password), nil)
		passwords[name] = password
		if round%2 == 0 {
			s.kill()
		} else {
			s.stop(t)
		}
	}
	if said, err := latchkeyCommand(t, rotateTimeout, "master-key", "rotate", "--data", data); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	s = start(t, data, "")
	for i := range users {
		name := fmt.Sprintf("user%d", i)
		password, changed := passwords[name]
		if !changed {
			password = firstPassword
		}
		if code := s.login(t, name+"@"+domainName, password); code != "" {
			t.Errorf("%s: data %s", name, code)
		}
	}
	s.stop(t)
	if said, err := latchkeyCommand(t, rotateTimeout, "audit", "verify", "--data", data); err != nil {
		t.Errorf("the audit trail: %v: %s", err, said)
	}
	t.Logf("of %d rotations %d were killed", kills(t), interrupted)

	if err := os.WriteFile(keyFile, first, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := try(t, data, ""); err == nil || !strings.Contains(s.stderr.String(), "the master key is not the one") {
		t.Errorf("with the first key: %v\n%s", err, s.stderr.String())
	}
}
