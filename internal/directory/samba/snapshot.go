package samba

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/durable"
)

// snapshots is the folder beside those of the domain controllers.
const snapshots = "snapshots"

func (e *Engine) snapshot(id, name string) string {
	return filepath.Join(e.Dir, id, snapshots, name+".tar.bz2")
}

// Snapshot saves the domain by Samba's own backup, from a domain controller that works; they go on working. One that is there
// is left as it is. After it has returned the snapshot survives a power failure.
func (e *Engine) Snapshot(ctx context.Context, id, name string) error {
	file := e.snapshot(id, name)
	at, ctx, done, err := e.begin(ctx, id)
	if err != nil {
		return err
	}
	defer done()
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	source, err := at.working("")
	if err != nil {
		return err
	}
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	// What an interrupted run left.
	target := filepath.Join(folder, name+".new")
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	if err := os.Mkdir(target, 0o700); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(target) }()
	err = e.tool(ctx, source.folder, source.current(), nil, "samba-tool", "domain", "backup", "offline", "--configfile="+source.folder.config(), "--targetdir="+target)
	if err != nil {
		return err
	}
	made, err := filepath.Glob(filepath.Join(target, "*.tar.bz2"))
	if err != nil || len(made) != 1 {
		return errors.Join(fmt.Errorf("samba-tool made %d backups", len(made)), err)
	}
	if err := os.Chmod(made[0], 0o600); err != nil {
		return err
	}
	if err := durable.Sync(made[0]); err != nil {
		return err
	}
	if err := os.Rename(made[0], file); err != nil {
		return err
	}
	return durable.Sync(folder)
}

// DeleteSnapshot removes a snapshot, if it is there.
func (e *Engine) DeleteSnapshot(id, name string) error {
	err := os.Remove(e.snapshot(id, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Restore puts a domain back as the snapshot has it, and serves it. A domain never takes a domain controller back that it
// had: those given go, and others with new names and the same addresses take their place. They are the answer; Serve is to be
// called with them from then on. An interrupted run can be repeated; until the restored domain is whole, the one before goes
// on.
func (e *Engine) Restore(ctx context.Context, d directory.Domain, controllers []Controller, name string) ([]Controller, error) {
	if err := e.Available(); err != nil {
		return nil, err
	}
	if len(controllers) == 0 {
		return nil, errors.New("a domain needs a domain controller")
	}
	at, ctx, done, err := e.begin(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	file := e.snapshot(d.ID, name)
	if _, err := os.Stat(file); err != nil {
		return nil, err
	}
	fresh, err := e.rename(d.ID, controllers)
	if err != nil {
		return nil, err
	}
	c := fresh[0]
	f, stage := e.folder(d.ID, c.Host), e.folder(d.ID, c.Host+".restored")
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := e.unpack(ctx, d, stage, c, file); err != nil {
		return nil, err
	}
	e.drop(at)
	if err := e.replace(ctx, d.ID, f, stage); err != nil {
		return nil, err
	}
	r, err := e.run(ctx, at, d, c, c.Address)
	if err == nil {
		err = r.ready(ctx)
	}
	// The snapshot has the names of the former domain controllers only.
	if err == nil && r.isolated {
		err = e.register(ctx, d, r, r)
	}
	if err != nil {
		return nil, err
	}
	return fresh, e.serve(ctx, at, d, fresh)
}

// replace removes all domain controllers of a directory, and gives the new one its place.
func (e *Engine) replace(ctx context.Context, id string, f, stage folder) error {
	entries, err := os.ReadDir(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() && name != snapshots && name != filepath.Base(string(stage)) {
			if err := e.folder(id, name).remove(ctx); err != nil {
				return err
			}
		}
	}
	if err := os.Rename(string(stage), string(f)); err != nil {
		return err
	}
	return durable.Sync(filepath.Dir(string(f)))
}

// unpack restores a snapshot into a folder that is the new domain controller's later. What an interrupted run left is made
// anew.
func (e *Engine) unpack(ctx context.Context, d directory.Domain, f folder, c Controller, file string) error {
	if err := f.remove(ctx); err != nil {
		return err
	}
	if err := e.note(d.ID, c.Host); err != nil {
		return err
	}
	return f.once(c, func() error {
		// Samba wants a folder that is empty, and the configuration from outside of it.
		outside := folder(string(f) + ".conf")
		defer func() { _ = os.RemoveAll(string(outside)) }()
		if _, err := e.configure(outside, c, e.role(d, c.Address)); err != nil {
			return err
		}
		err := e.tool(ctx, outside, process{}, nil, "samba-tool", "domain", "backup", "restore", "--backup-file="+file, "--newservername="+strings.ToUpper(c.Host), "--host-ip="+c.Address.String(), "--targetdir="+string(f))
		if err != nil {
			return err
		}
		_, err = e.configure(f, c, e.role(d, c.Address))
		return err
	})
}

// rename gives domain controllers names that the domain never had: the numbers after the greatest.
func (e *Engine) rename(id string, controllers []Controller) ([]Controller, error) {
	hosts, err := e.hosts(id)
	if err != nil {
		return nil, err
	}
	last := 0
	for _, c := range controllers {
		hosts = append(hosts, c.Host)
	}
	for _, host := range hosts {
		if n, err := strconv.Atoi(strings.TrimPrefix(host, hostPrefix)); err == nil {
			last = max(last, n)
		}
	}
	fresh := slices.Clone(controllers)
	for i := range fresh {
		fresh[i].Host = hostPrefix + strconv.Itoa(last+1+i)
	}
	return fresh, nil
}

const hostPrefix = "dc"

// hosts is the names of all domain controllers that a directory ever had.
func (e *Engine) hosts(id string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(e.Dir, id, "hosts"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return strings.Fields(string(text)), nil
}

// note keeps a domain controller's name, before anything is made for it.
func (e *Engine) note(id, host string) error {
	hosts, err := e.hosts(id)
	if err != nil || slices.Contains(hosts, host) {
		return err
	}
	if err := os.MkdirAll(filepath.Join(e.Dir, id), 0o700); err != nil {
		return err
	}
	return durable.Replace(filepath.Join(e.Dir, id, "hosts"), 0o600, []byte(strings.Join(append(hosts, host), "\n")+"\n"))
}
