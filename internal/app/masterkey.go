package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"latchkey/internal/config"
	"latchkey/internal/masterkey"
	"latchkey/internal/store"
)

// masterKey is the key from where the configuration says it is, or from the data directory.
func masterKey(ctx context.Context, cfg *config.Config, dir string) (key []byte, elsewhere bool, err error) {
	key, err = masterkey.Source{File: cfg.MasterKeyFile, Command: cfg.MasterKeyCommand, Env: masterkey.Env}.Load(ctx)
	if key != nil || err != nil {
		return key, true, err
	}
	// A key that is made for a store that is there already would open nothing.
	_, missing := os.Stat(filepath.Join(dir, masterkey.File))
	_, kept := os.Stat(filepath.Join(dir, "store", "member"))
	if errors.Is(missing, fs.ErrNotExist) && kept == nil {
		return nil, false, fmt.Errorf("%w: %w", masterkey.ErrForeign, missing)
	}
	key, err = masterkey.InDirectory(dir)
	return key, false, err
}

// ErrNoData says that a folder is not a server's data directory.
var ErrNoData = errors.New("this is not the data directory of a server")

// openStopped opens what a server that is stopped has kept, and keeps servers out until closing is called.
func openStopped(ctx context.Context, cfg *config.Config, logger *slog.Logger) (records *store.Store, closing func() error, err error) {
	// The name is there from the first start on, whatever the store and the key.
	if _, err := os.Stat(filepath.Join(cfg.Data, "node")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: %w", cfg.Data, ErrNoData)
	} else if err != nil {
		return nil, nil, err
	}
	lock, err := lockDirectory(cfg.Data)
	if err != nil {
		return nil, nil, err
	}
	if err := wholeDirectory(cfg.Data); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	records, err = store.Open(ctx, store.Options{Dir: filepath.Join(cfg.Data, "store"), Endpoints: cfg.StoreEndpoints, TLS: cfg.StoreTLS(), Logger: logger})
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return records, func() error { return errors.Join(records.Close(), lock.Close()) }, nil
}

// RotateMasterKey seals everything anew, in the data directory of a server that is stopped and in its store. Of the
// configuration only the data directory, the store and the master key count. last says that the data directories of all other
// servers of a cluster have been through it. See masterkey.Rotate.
func RotateMasterKey(ctx context.Context, cfg *config.Config, next masterkey.Source, last bool, logger *slog.Logger) (done store.Resealed, err error) {
	given, err := next.Load(ctx)
	if err != nil {
		return done, err
	}
	defer clear(given)
	records, closing, err := openStopped(ctx, cfg, logger)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, closing()) }()
	key, elsewhere, err := masterKey(ctx, cfg, cfg.Data)
	if err != nil {
		return done, err
	}
	defer clear(key)
	if elsewhere && given == nil {
		return done, errors.New("the master key is kept elsewhere, and so is the one that follows it: give the new one, too")
	}
	return masterkey.Rotate(ctx, masterkey.Rotation{
		Records: records, Dir: cfg.Data, Key: key, Next: given, Elsewhere: given != nil, Last: last || len(cfg.StoreEndpoints) == 0,
	})
}
