package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// importState is a file that says how far an import is, so that it can go on after whatever ended it. Its first line names
// the directory and the import; every other one is a step of a row. A line is written at once, and one that was cut off
// does not count. So a step may be made twice, and never be left out; the user is created with the same ClientToken each
// time.
type importState struct {
	file  *os.File // nil for an import that can't go on
	id    string
	steps map[rowKey]byte
}

// The steps of a row.
const (
	stepBegun   = 'b' // CreateUser may have been called
	stepRefused = 'r' // it made no user
	stepCreated = 'c' // it made one
	stepDone    = 'd' // all of the row is done
)

const stateMagic = "latchkey import 1 "

// openState opens the file, or makes it. Nobody else has it open.
func openState(path, directory string) (*importState, error) {
	s := &importState{id: rand.Text(), steps: map[rowKey]byte{}}
	if path == "" {
		return s, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s.file = file
	if err := s.read(path, directory); err != nil {
		_ = file.Close()
		return nil, err
	}
	return s, nil
}

func (s *importState) read(path, directory string) error {
	if err := unix.Flock(int(s.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // a descriptor fits
		return &advised{fmt.Errorf("%s is in use", path), "another import of this file is at work"}
	}
	text, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if !strings.HasPrefix(stateMagic, string(text[:min(len(text), len(stateMagic))])) {
		return &advised{fmt.Errorf("%s is not the state of an import", path), "--state names another file"}
	}
	if err := s.file.Truncate(int64(len(whole))); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if len(whole) == 0 {
		_, err := fmt.Fprintf(s.file, "%s%s %s\n", stateMagic, directory, s.id)
		return err
	}
	head, steps, _ := strings.Cut(string(whole), "\n")
	of, id, ok := strings.Cut(strings.TrimPrefix(head, stateMagic), " ")
	switch {
	case !ok:
		return fmt.Errorf("%s: line 1 is not that of an import", path)
	case of != directory:
		return &advised{fmt.Errorf("%s belongs to an import into %s", path, of), "--state names another file, or remove this one"}
	}
	s.id = id
	for line := range strings.Lines(steps) {
		step, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		key, err := base64.RawURLEncoding.DecodeString(name)
		if err != nil || len(key) != len(rowKey{}) || len(step) != 1 || !strings.Contains("brcd", step) {
			return fmt.Errorf("%s: %q is not a step of an import", path, line)
		}
		s.steps[rowKey(key)] = step[0]
	}
	return nil
}

// at is the last step of a row in an earlier run; 0 before the first.
func (s *importState) at(key rowKey) byte {
	return s.steps[key]
}

// put records a step.
func (s *importState) put(key rowKey, step byte) error {
	if s.file == nil {
		return nil
	}
	_, err := fmt.Fprintf(s.file, "%c %s\n", step, key) // one write
	return err
}

// close keeps the file, or removes it when all is done.
func (s *importState) close(done bool) error {
	if s.file == nil {
		return nil
	}
	if done {
		return errors.Join(os.Remove(s.file.Name()), s.file.Close())
	}
	return errors.Join(s.file.Sync(), s.file.Close())
}
