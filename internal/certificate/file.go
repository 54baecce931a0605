package certificate

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
)

// writePEM replaces a file in one step, so that whoever reads it meanwhile or after a crash finds the old one or the new.
func writePEM(path string, mode os.FileMode, kind string, blocks ...[]byte) (err error) {
	var text bytes.Buffer
	for _, block := range blocks {
		if err := pem.Encode(&text, &pem.Block{Type: kind, Bytes: block}); err != nil {
			return err
		}
	}
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if _, err := file.Write(text.Bytes()); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
