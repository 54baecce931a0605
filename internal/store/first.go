package store

import (
	"errors"
	"os"
	"path/filepath"

	"latchkey/internal/durable"
)

// An etcd that is killed in the middle of its very first start can never start again: its log is there, and does not yet
// say that it is the only member, so it waits for others for ever. A file beside etcd's directory is there for as long as
// the first start lasts. When it is found, nothing can have been kept yet, and etcd begins anew.

func unfinished(dir string) string { return filepath.Clean(dir) + ".unfinished" }

// beginFirst makes dir ready for etcd, and says whether etcd starts in it for the first time.
func beginFirst(dir string) (first bool, err error) {
	mark := unfinished(dir)
	switch _, err := os.Stat(mark); {
	case err == nil:
		if err := os.RemoveAll(dir); err != nil {
			return false, err
		}
	case !errors.Is(err, os.ErrNotExist):
		return false, err
	default:
		_, err := os.Stat(filepath.Join(dir, "member"))
		if !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		if err := os.MkdirAll(filepath.Dir(mark), 0o700); err != nil {
			return false, err
		}
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return false, err
		}
		if err := durable.Sync(filepath.Dir(mark)); err != nil {
			return false, err
		}
	}
	return true, os.MkdirAll(dir, 0o700)
}

// endFirst says for good that etcd has started.
func endFirst(dir string) error {
	if err := os.Remove(unfinished(dir)); err != nil {
		return err
	}
	return durable.Sync(filepath.Dir(unfinished(dir)))
}
