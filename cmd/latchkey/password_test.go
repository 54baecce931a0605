package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"latchkey/latchkeytest"
)

// pseudo is the two ends of a pseudo-terminal: the user's, and the program's.
func pseudo(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { _ = user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return user, program
}

// echoes says whether the terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

const patience = time.Minute

// until waits for what another process does to a terminal.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// screen collects what is on a terminal.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// atTerminal runs the program on a pseudo-terminal, which is all that it reads from and writes to.
func atTerminal(t *testing.T, args ...string) (command *exec.Cmd, user, program *os.File, shown *screen) {
	t.Helper()
	user, program = pseudo(t)
	shown = &screen{}
	go func() { _, _ = io.Copy(shown, user) }()
	command = exec.Command("latchkey", args...)
	command.Stdin, command.Stdout, command.Stderr = program, program, program
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command, user, program, shown
}

// TestPrompt: a password is asked for twice, nothing of it is shown, and the terminal is as it was afterwards, also when the
// program is interrupted.
func TestPrompt(t *testing.T) {
	s := newImport(t)
	write(t, "users.csv", "SAMAccountName\njane\n")
	does(t, 0, "1 of 1 user imported into d-1234567890\n", "", "user", "import", "users.csv")
	for name, c := range map[string]struct {
		first, second string
		said          string
		code          int
	}{
		"twice the same": {"Winter-Sun-2025", "Winter-Sun-2025", "jane has a new password, and is enabled\r\n", 0},
		"two":            {"Summer-Rain-2026", "Summer-Rain-2027", "latchkey: error: the two passwords differ; nothing was changed\r\n", 1},
		"none":           {"", "", "latchkey: error: no password was given; nothing was changed\r\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			command, user, program, shown := atTerminal(t, "user", "reset-password", "jane")
			for i, answer := range []string{c.first, c.second} {
				prompt := []string{"New password of jane: ", "The same again: "}[i]
				until(t, prompt, func() bool { return strings.HasSuffix(shown.String(), prompt) && !echoes(t, program) })
				fmt.Fprintln(user, answer)
			}
			_ = command.Wait()
			until(t, "the end", func() bool { return strings.HasSuffix(shown.String(), c.said) })
			want(t, "the terminal", shown.String(), "New password of jane: \r\nThe same again: \r\n"+c.said)
			if code := command.ProcessState.ExitCode(); code != c.code || !echoes(t, program) {
				t.Errorf("exit status %d, echo %t", code, echoes(t, program))
			}
		})
	}
	if !logsIn(t, s, "jane", "Winter-Sun-2025") || logsIn(t, s, "jane", "Summer-Rain-2026") {
		t.Error("jane can't log in with what was typed twice, or can with what was not")
	}
	t.Run("interrupted", func(t *testing.T) {
		// Tests in the background may have been told to ignore it, and so would the program.
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
		defer signal.Reset(os.Interrupt)
		command, _, program, _ := atTerminal(t, "user", "create", "joe", "--prompt")
		until(t, "no echo", func() bool { return !echoes(t, program) })
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait()
		if status := command.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT || !echoes(t, program) {
			t.Errorf("%v, echo %t", command.ProcessState, echoes(t, program))
		}
	})
	if _, _, code := latchkey("user", "show", "joe"); code != 1 {
		t.Error("joe is there")
	}
}

// TestTerminal: on a terminal, tables are aligned, and an import has a bar that goes away.
func TestTerminal(t *testing.T) {
	s := newImport(t)
	write(t, "users.csv", "SAMAccountName,GivenName\njane,Zoë\na.very.long.name.it,x\n")
	s.Fault(latchkeytest.Fault{Operation: "CreateUser", Delay: 3 * drawEvery, Times: 1})
	command, _, _, shown := atTerminal(t, "user", "import", "users.csv", "--parallel", "1")
	_ = command.Wait()
	until(t, "the end", func() bool {
		return strings.HasSuffix(shown.String(), "\r\x1b[K2 of 2 users imported into d-1234567890\r\n")
	})
	if !strings.Contains(shown.String(), "\r["+strings.Repeat(".", barWidth)+"] 0 of 2 users\x1b[K") {
		t.Errorf("%q", shown.String())
	}
	command, _, _, shown = atTerminal(t, "user", "search", "*", "--in", "GivenName")
	_ = command.Wait()
	until(t, "the end", func() bool { return strings.Count(shown.String(), "\n") == 3 })
	for line := range strings.Lines(shown.String()) {
		if at := strings.Index(line, "no "); !strings.HasPrefix(line, "NAME                 ENABLED  GIVEN NAME  ") && at != 21 {
			t.Errorf("%q", shown.String())
		}
	}
}

func TestBar(t *testing.T) {
	b := &bar{total: 10_000, done: 4_000, before: 500, failed: 12}
	want(t, "elsewhere", b.line(10*time.Second), "4,512 of 10,000 users, 12 failed, 401/s, 13s left")
	b.terminal = true
	want(t, "on a terminal", b.line(10*time.Second), "[##########..............] 4,512 of 10,000 users, 12 failed, 401/s, 13s left")
	want(t, "without an end", (&bar{done: 1_234_567}).line(time.Hour), "1,234,567 users, 342/s")
	want(t, "one", (&bar{done: 1, total: 1}).line(time.Hour), "1 of 1 user")
	want(t, "the first", (&bar{done: 1}).line(time.Hour), "1 user")
}
