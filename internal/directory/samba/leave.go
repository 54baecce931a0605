package samba

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"latchkey/internal/directory"
)

// leave demotes and removes the domain controllers that are not wanted.
func (e *Engine) leave(ctx context.Context, at *domain, d directory.Domain, wanted []Controller) error {
	entries, err := os.ReadDir(filepath.Join(e.Dir, d.ID))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		host := entry.Name()
		if !entry.IsDir() || host == snapshots || is(wanted, host) {
			continue
		}
		if !isHost(host) {
			// A restore was interrupted.
			if err := e.folder(d.ID, host).remove(ctx); err != nil {
				return err
			}
			continue
		}
		if err := e.demote(ctx, at, d, host, wanted); err != nil {
			return fmt.Errorf("demote %s: %w", host, err)
		}
	}
	return nil
}

// demote takes a domain controller out of the domain: first its last changes go to another, then that one forgets it, with
// its account, its names and the roles that it had.
func (e *Engine) demote(ctx context.Context, at *domain, d directory.Domain, host string, wanted []Controller) error {
	other, err := at.working(host)
	if err != nil {
		return err
	}
	for _, r := range at.all() {
		if r.Host != host {
			continue
		}
		if r.health().Up {
			limited, cancel := context.WithTimeout(ctx, replicationLimit)
			err := r.reaches(limited, d, other)
			cancel()
			if err != nil {
				return err
			}
		} else {
			e.Logger.Warn("a domain controller that does not work is removed: changes that only it knew of are lost", "directory", d.ID, "host", host)
		}
		at.quit(r)
	}
	f := e.folder(d.ID, host)
	err = e.tool(ctx, other.folder, other.current(), nil, "samba-tool", "domain", "demote", "--quiet", "--configfile="+other.folder.config(), "--remove-other-dead-server="+strings.ToUpper(host))
	// One whose join was interrupted is perhaps not known.
	if err != nil && !strings.Contains(err.Error(), "is not an AD DC in") {
		return err
	}
	return f.remove(ctx)
}

// remove deletes what is left of a domain controller: its processes, its address if it was added for it, its files.
func (f folder) remove(ctx context.Context) error {
	if err := loadProcess(f.state()).end(f, stopLimit); err != nil {
		return err
	}
	if err := f.releaseAddress(ctx); err != nil {
		return err
	}
	return os.RemoveAll(string(f))
}
