package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"latchkey/internal/ds"
	"latchkey/internal/wire"
)

// maxPassword is more than a password that the API takes (127 characters) has bytes.
const maxPassword = 1024

// newPassword is how a command comes by a user's new password.
type newPassword struct {
	PasswordStdin bool `name:"password-stdin" xor:"password" group:"Password" help:"Read it from standard input: one line."`
	Generate      bool `name:"generate" xor:"password" group:"Password" help:"Make a strong one that the directory takes, and print it, alone, on standard output."`
}

// read is the password that standard input has, or that is asked for twice. The caller wipes it.
func (p *newPassword) read(s streams, name string) ([]byte, error) {
	if p.PasswordStdin {
		return readPassword(s.in)
	}
	terminal, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return nil, &advised{errors.New("there is no terminal to ask for a password on"), "--password-stdin reads it from standard input, and --generate makes one"}
	}
	first, err := ask(terminal, s.err, "New password of "+name+": ")
	if err != nil {
		return nil, err
	}
	second, err := ask(terminal, s.err, "The same again: ")
	defer clear(second)
	switch {
	case err != nil:
	case len(first) == 0:
		err = errors.New("no password was given; nothing was changed")
	case !bytes.Equal(first, second):
		err = errors.New("the two passwords differ; nothing was changed")
	default:
		return first, nil
	}
	clear(first)
	return nil, err
}

// readPassword is the one line that there is.
func readPassword(r io.Reader) ([]byte, error) {
	held := make([]byte, maxPassword+3) // with the line's end, and one that is too much
	n, err := io.ReadFull(r, held)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(held)
		return nil, fmt.Errorf("--password-stdin: %w", err)
	}
	password := bytes.TrimSuffix(bytes.TrimSuffix(held[:n], []byte("\n")), []byte("\r"))
	switch {
	case len(password) == 0:
		return nil, errors.New("--password-stdin: there is nothing on standard input")
	case len(password) > maxPassword:
		err = errors.New("--password-stdin: the password is too long")
	case bytes.ContainsAny(password, "\r\n"):
		err = errors.New("--password-stdin: there is more than one line on standard input")
	default:
		return password, nil
	}
	clear(held)
	return nil, err
}

// ask reads a line that the terminal does not show. A signal that ends the program has the terminal show lines again first.
func ask(terminal *os.File, w io.Writer, prompt string) ([]byte, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	ending, done := make(chan os.Signal, 1), make(chan struct{})
	for _, each := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(each) { // as by nohup: the program goes on reading
			signal.Notify(ending, each)
		}
	}
	go func() {
		select {
		case received := <-ending:
			_ = term.Restore(fd, before)
			fmt.Fprintln(w)
			signal.Reset(received)
			_ = syscall.Kill(os.Getpid(), received.(syscall.Signal))
		case <-done:
		}
	}()
	defer close(done)
	defer signal.Stop(ending)
	fmt.Fprint(w, prompt)
	password, err := term.ReadPassword(fd)
	fmt.Fprintln(w)
	return password, err
}

// set sets the user's password, which is wiped, or makes one and writes it: alone, or as JSON.
func (p *newPassword) set(ctx context.Context, s streams, session *session, id, name *string, password []byte) error {
	in := &ds.ResetUserPasswordRequest{DirectoryId: id, UserName: name}
	if !p.Generate {
		return session.reset(ctx, in, password)
	}
	password, err := session.generate(ctx, in)
	if err != nil {
		return err
	}
	defer clear(password)
	if session.Output == "json" {
		answer, err := json.Marshal(map[string]string{"DirectoryId": *id, "UserName": *name, "Password": string(password)})
		return errors.Join(err, writeJSON(s.out, answer))
	}
	_, err = fmt.Fprintf(s.out, "%s\n", password)
	return err
}

// reset calls ResetUserPassword, and wipes the password.
func (s *session) reset(ctx context.Context, in *ds.ResetUserPasswordRequest, password []byte) error {
	in.NewPassword = wire.NewSecret(password)
	defer in.NewPassword.Wipe()
	_, err := s.call(ctx, wire.DS, "ResetUserPassword", in, &ds.ResetUserPasswordResult{})
	return err
}

// alphabets are what a generated password has a character of each of: AD's kinds (MS-SAMR 3.1.1.7.2), without what is easily
// mistaken for another or means something to a shell.
var alphabets = [...]string{"abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-_.+:"}

// lengths are how long generated passwords are: the second and later ones for directories that ask for more.
var lengths = [...]int{20, 32, 64, 127}

// generate sets passwords until the directory takes one, which it returns.
func (s *session) generate(ctx context.Context, in *ds.ResetUserPasswordRequest) ([]byte, error) {
	for i := 0; ; i++ {
		password, err := randomPassword(lengths[i])
		if err != nil {
			return nil, err
		}
		err = s.reset(ctx, in, bytes.Clone(password))
		if err == nil {
			return password, nil
		}
		clear(password)
		if !isException(err, "InvalidPasswordException") || i == len(lengths)-1 {
			return nil, err
		}
	}
}

// randomPassword is one of all passwords of a length that have a character of each kind, each as likely as the
// others.
func randomPassword(length int) ([]byte, error) {
	all := strings.Join(alphabets[:], "")
	password := make([]byte, length)
	for {
		for i := range password {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(all))))
			if err != nil {
				return nil, err
			}
			password[i] = all[n.Int64()]
		}
		missing := password[0] == '-' // not an option
		for _, kind := range alphabets {
			missing = missing || !bytes.ContainsAny(password, kind)
		}
		if !missing {
			return password, nil
		}
	}
}
