package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"latchkey/internal/backup"
	"latchkey/internal/config"
	"latchkey/internal/store"
)

// backups hands backups out until the server stops; nil where nothing is kept.
func (a *App) backups(dir string, records *store.Store) *backup.Server {
	if a.config.Dev {
		return nil
	}
	s := &backup.Server{Source: backup.Source{Dir: dir, Store: records, Running: true, Now: time.Now}}
	a.closeLater(func() error { s.Close(); return nil })
	return s
}

// wholeDirectory fails where a restoration has not come to its end.
func wholeDirectory(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, backup.Unfinished)); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return fmt.Errorf("%s: a restoration of it has not come to its end: run latchkey restore again", dir)
}

// Backup saves a server that is stopped: all of its data directory. See backup.Source.
func Backup(ctx context.Context, dir string, w io.Writer, logger *slog.Logger, recipients ...age.Recipient) (err error) {
	records, closing, err := openStopped(ctx, &config.Config{Data: dir}, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	return backup.Source{Dir: dir, Store: records, Now: time.Now}.Write(ctx, w, recipients...)
}
