package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Held is a file of the trail as it was at one moment. Reader has Size bytes.
type Held struct {
	Name string
	Size int64
	io.Reader
}

const (
	// holdTimeout is much longer than a digest takes to cover what is recorded.
	holdTimeout = 10 * time.Second
	holdEvery   = 20 * time.Millisecond
)

// Hold opens the files of the trail in dir, which a server may be writing to, as they were when a digest was signed: one that
// covers all that was recorded before Hold was called. Together they verify, and Open goes on with them. release closes them.
func Hold(ctx context.Context, dir string) (held []Held, release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	key, err := ReadPublic(filepath.Join(dir, PublicFile))
	if err != nil {
		return nil, nil, fmt.Errorf("hold the audit log: %w", err)
	}
	began := time.Now()
	info, err := os.Stat(filepath.Join(dir, LogFile))
	if err != nil {
		return nil, nil, fmt.Errorf("hold the audit log: %w", err)
	}
	// An intent whose outcome comes later has none in what is held: nobody knows.
	intents, err := os.ReadFile(filepath.Join(dir, IntentFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("hold the audit log: %w", err)
	}
	for {
		held, release, err := hold(dir, key, func(s statement) bool {
			return s.Time.After(began) || s.Files[len(s.Files)-1].Size >= info.Size()
		})
		if err == nil {
			return append(held, Held{IntentFile, int64(len(intents)), bytes.NewReader(intents)}), release, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("hold the audit log: %w", err)
		case <-time.After(holdEvery):
		}
	}
}

var errNotCovered = errors.New("its signed digest does not cover what is recorded yet")

// hold fails while the digest does not suffice, and when files are rotated meanwhile.
func hold(dir string, key ed25519.PublicKey, suffices func(statement) bool) (held []Held, release func(), err error) {
	path := filepath.Join(dir, DigestFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	stated, err := parseStatement(path, text, key)
	if err != nil {
		return nil, nil, err
	}
	if !suffices(stated) {
		return nil, nil, errNotCovered
	}
	var files []*os.File
	closeAll := func() {
		for _, file := range files {
			_ = file.Close()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	for _, each := range stated.Files {
		file, err := os.Open(filepath.Join(dir, filepath.Base(each.Name)))
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file)
		if info, err := file.Stat(); err != nil || info.Size() < each.Size {
			return nil, nil, errors.Join(err, fmt.Errorf("%s has less than its digest says", each.Name))
		}
		held = append(held, Held{each.Name, each.Size, io.NewSectionReader(file, 0, each.Size)})
	}
	// The names may have been given to other files while they were opened.
	again, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	if now, err := parseStatement(path, again, key); err != nil || len(now.Files) != len(stated.Files) || now.Files[len(now.Files)-1].First != stated.Files[len(stated.Files)-1].First {
		return nil, nil, errors.Join(err, errors.New("it was rotated meanwhile"))
	}
	return append(held, Held{DigestFile, int64(len(text)), bytes.NewReader(text)}), closeAll, nil
}
