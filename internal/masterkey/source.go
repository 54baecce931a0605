// Package masterkey knows the key that everything secret in the store is sealed with: where it comes from, whether it is the
// store's, and how another one takes its place.
package masterkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"latchkey/internal/directory/embedded"
	"latchkey/internal/durable"
)

// The environment variables of the key, and of the one that is to take its place: 32 bytes in base64.
const (
	Env     = "LATCHKEY_MASTER_KEY"
	EnvNext = "LATCHKEY_NEW_MASTER_KEY"
)

// File is the key's name in a data directory: 32 bytes.
const File = "master.key"

const (
	commandTimeout = 30 * time.Second
	// maxText is more than a key takes in any form.
	maxText = 4 << 10
)

// Source says where a key is: in a file, in what a command prints, or in an environment variable. At most one is given.
type Source struct {
	// File holds the key, as it is or in base64.
	File string
	// Command is run by /bin/sh, without the key's environment variables, and prints the key in base64.
	Command string
	// Env is the name of the variable.
	Env string
}

// Load is the key, and nil where no source is given. The environment variable is gone afterwards, so that no program which is
// started later gets it. Errors hold nothing of the key, nor of what the command prints.
func (s Source) Load(ctx context.Context) ([]byte, error) {
	text, inEnv := os.LookupEnv(s.Env)
	if err := os.Unsetenv(s.Env); err != nil && inEnv {
		return nil, err
	}
	var given []string
	for _, each := range []struct {
		name  string
		given bool
	}{{s.Env, inEnv}, {"a file", s.File != ""}, {"a command", s.Command != ""}} {
		if each.given {
			given = append(given, each.name)
		}
	}
	var key []byte
	var err error
	switch {
	case len(given) > 1:
		return nil, fmt.Errorf("the master key: it is given by %s: leave one out", strings.Join(given, " and "))
	case inEnv:
		key, err = decode([]byte(text))
	case s.File != "":
		key, err = readFile(s.File)
	case s.Command != "":
		key, err = run(ctx, s.Command)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the master key from %s: %w", given[0], err)
	}
	return key, nil
}

// InDirectory is the key that lies in the data directory. It is made when there is none.
func InDirectory(dir string) ([]byte, error) {
	path := filepath.Join(dir, File)
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// It is either whole on the disk or not there: everything sealed depends on it.
		key = fresh()
		err = durable.Create(path, 0o600, key)
	}
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if len(key) != embedded.MasterKeySize {
		return nil, fmt.Errorf("master key: %s must hold %d bytes and holds %d", path, embedded.MasterKeySize, len(key))
	}
	return key, nil
}

func fresh() []byte {
	key := make([]byte, embedded.MasterKeySize)
	_, _ = rand.Read(key) // never fails
	return key
}

func decode(text []byte) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	if len(key) != embedded.MasterKeySize {
		return nil, fmt.Errorf("it must have %d bytes, in base64, and has %d", embedded.MasterKeySize, len(key))
	}
	return key, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return nil, fmt.Errorf("%s has mode %04o, so everybody may use the key in it: run chmod o= %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) == embedded.MasterKeySize:
		return text, nil
	case len(text) > maxText:
		return nil, fmt.Errorf("%s is larger than a key can be", path)
	}
	defer clear(text)
	key, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// run is what a command prints. It and all that it has started are killed when it takes too long.
func run(ctx context.Context, text string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var out, complaints limited
	defer func() { clear(out.text) }()
	command := exec.CommandContext(ctx, "/bin/sh", "-c", text)
	command.Stdout, command.Stderr = &out, &complaints
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	for _, each := range os.Environ() {
		if name, _, _ := strings.Cut(each, "="); name != Env && name != EnvNext {
			command.Env = append(command.Env, each)
		}
	}
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("it did not end within %s", commandTimeout)
	case err != nil:
		if line := complaints.first(); line != "" {
			return nil, fmt.Errorf("%w: %s", err, line)
		}
		return nil, err
	case out.more:
		return nil, errors.New("it prints more than a key")
	}
	return decode(out.text)
}

// limited keeps the beginning of what is written to it.
type limited struct {
	text []byte
	more bool
}

func (l *limited) Write(text []byte) (int, error) {
	room := min(len(text), maxText-len(l.text))
	l.more = l.more || room < len(text)
	l.text = append(l.text, text[:room]...)
	return len(text), nil
}

// first is the first line.
func (l *limited) first() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(l.text), []byte("\n"))
	return strings.ToValidUTF8(string(line), "?")
}
