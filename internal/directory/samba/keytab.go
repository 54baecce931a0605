package samba

import (
	"context"
	"os"
	"path/filepath"

	"latchkey/internal/keytab"
)

// AccountKeys is the AES keys of an account, by its sAMAccountName, as one of the directory's domain controllers here has them.
func (e *Engine) AccountKeys(ctx context.Context, id, account string) ([]keytab.Key, error) {
	source, err := e.domain(id).working("")
	if err != nil {
		return nil, err
	}
	return e.exportKeys(ctx, source, account)
}

// exportKeys has Samba write them to a file that nobody else can read, and that is gone afterwards.
func (e *Engine) exportKeys(ctx context.Context, r *running, account string) ([]keytab.Key, error) {
	dir, err := os.MkdirTemp(string(r.folder), "keytab-") // of mode 0700
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	name := filepath.Join(dir, "keytab")
	if err := e.tool(ctx, r.folder, r.current(), nil, "samba-tool", "domain", "exportkeytab", name, "--principal="+account, "--configfile="+r.folder.config()); err != nil {
		return nil, err
	}
	file, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return nil, nil // it has none of the kind
	}
	if err != nil {
		return nil, err
	}
	defer clear(file)
	defer func() { _ = os.WriteFile(name, make([]byte, len(file)), 0o600) }()
	return keytab.Keys(file)
}
