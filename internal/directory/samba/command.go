package samba

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	commandLimit = 3 * time.Minute
	maxSaid      = 4 << 10
)

// tail keeps the end of what a program says.
type tail struct{ bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if extra := t.Len() - maxSaid; extra > 0 {
		t.Next(extra)
	}
	return len(p), nil
}

// environment is what a program sees of this process's own: nothing but the way to other programs.
func environment(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}, more...)
}

// readable runs a program whose files others may read, as those of the share sysvol have to be, whatever the server's own mask.
// The data directory is closed to others all the same.
const readable = `umask 022; exec "$@"`

// command is a program that is given up, with its process group, when the context ends.
func command(ctx context.Context, environment []string, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "sh", append([]string{"-c", readable, "sh", name}, args...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	command.Env = environment
	return command
}

// held runs a program once a line comes through the pipe. When that ends without, as its writer has, there is nothing to run.
const held = `read -r line <&3 && exec 3<&- && exec "$@"`

// hold makes a command, which is not started yet, wait for release once it is: with true it goes on, else it ends.
func hold(command *exec.Cmd) (release func(run bool) error, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	command.Args = append([]string{"sh", "-c", held, "sh"}, command.Args...)
	command.ExtraFiles = []*os.File{read}
	return func(run bool) (err error) {
		if run {
			_, err = write.WriteString("\n")
		}
		return errors.Join(err, write.Close(), read.Close())
	}, nil
}

// run runs a program bounded in time. what names it in the error. secret, which may be nil, reaches it through a pipe that PASSWD_FD names (Samba's own
// convention): not by an argument, nor by the environment. The error holds the end of what the program said.
func run(ctx context.Context, what string, secret []byte, build func(context.Context) *exec.Cmd) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	command := build(ctx)
	var said tail
	command.Stdout, command.Stderr = &said, &said
	if secret != nil {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		defer read.Close()
		command.ExtraFiles = []*os.File{read}
		command.Env = append(command.Env, "PASSWD_FD=3")
		// A pipe holds more than a password, so this does not wait.
		_, err = write.Write(secret)
		if err := errors.Join(err, write.Close()); err != nil {
			return err
		}
	}
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return fmt.Errorf("%s: %w: %s", what, err, strings.TrimSpace(said.String()))
	}
	return nil
}
