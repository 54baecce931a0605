// Package durable writes files that are on the disk, whole, when the call returns, whatever stops the process or the machine
// meanwhile.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace makes the file have that content and mode. Whoever reads it meanwhile, or after a crash, finds the former file or
// the new one.
func Replace(path string, mode fs.FileMode, content []byte) error {
	return write(path, mode, content, os.Rename)
}

// Create is Replace for a file that must not be there yet: its error then wraps fs.ErrExist.
func Create(path string, mode fs.FileMode, content []byte) error {
	return write(path, mode, content, func(draft, path string) error {
		err := os.Link(draft, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return errors.Join(err, os.Remove(draft))
		}
		// A file system without links.
		if _, there := os.Lstat(path); there == nil {
			return errors.Join(&fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}, os.Remove(draft))
		}
		return os.Rename(draft, path)
	})
}

func write(path string, mode fs.FileMode, content []byte, publish func(draft, path string) error) (err error) {
	// The name is hidden, and one that nobody looks for.
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := publish(file.Name(), path); err != nil {
		return err
	}
	return Sync(filepath.Dir(path))
}

// Sync brings a file, or what a directory lists, to the disk.
func Sync(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
