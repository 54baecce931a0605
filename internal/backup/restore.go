package backup

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"latchkey/internal/durable"
	"latchkey/internal/store"
)

var (
	// ErrNotEmpty says that there is something already where a data directory was to be made.
	ErrNotEmpty = errors.New("there is something in it already")
	// ErrDamaged says that a file is not a whole backup.
	ErrDamaged = errors.New("the backup is damaged, or not a backup")
	// ErrNoIdentity says that the passphrase or the identity does not open the backup.
	ErrNoIdentity = errors.New("the passphrase or the identity is not the backup's")
)

const (
	maxManifest = 64 << 10
	maxEntries  = 10 << 20
	maxName     = 4 << 10
)

// Restore makes the data directory dir, which is empty or not there, of a backup. It is there as a whole or not at all; in a
// directory that was there, which may be a volume, Unfinished says so meanwhile.
func Restore(r io.Reader, dir string, logger *slog.Logger, identities ...age.Identity) (m Manifest, err error) {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := filepath.Dir(dir)
		if err := os.MkdirAll(parent, 0o755); err != nil { //nolint:gosec // only the data directory itself is secret
			return m, err
		}
		return restore(r, parent, filepath.Base(dir), logger, identities, func(draft string) error {
			if err := os.Rename(draft, dir); err != nil {
				return err
			}
			return durable.Sync(parent)
		})
	case err != nil:
		return m, err
	}
	if err := vacate(dir); err != nil {
		return m, fmt.Errorf("%s: %w", dir, err)
	}
	mark := filepath.Join(dir, Unfinished)
	if err := durable.Replace(mark, 0o600, nil); err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, vacate(dir))
		}
	}()
	return restore(r, dir, "restore", logger, identities, func(draft string) error {
		owner, _ := info.Sys().(*syscall.Stat_t)
		if err := errors.Join(own(draft, owner), moveAll(draft, dir), os.Chmod(dir, 0o700)); err != nil { //nolint:gosec // a directory needs its x
			return err
		}
		if err := errors.Join(os.Remove(draft), syncAll(dir), os.Remove(mark)); err != nil {
			return err
		}
		return durable.Sync(dir)
	})
}

// Unfinished is a file in a data directory for as long as a restoration has not come to its end. What is there then is of no
// use, and another restoration may begin.
const Unfinished = "restore.unfinished"

// restore makes a draft of a data directory in parent, and publishes it once it is whole and on the disk.
func restore(r io.Reader, parent, name string, logger *slog.Logger, identities []age.Identity, publish func(draft string) error) (m Manifest, err error) {
	draft, err := os.MkdirTemp(parent, "."+name+".*.new")
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(draft))
		}
	}()
	if m, err = unpack(r, draft, identities); err != nil {
		return m, err
	}
	database := filepath.Join(draft, storeName)
	if err := store.FromCopy(database, filepath.Join(draft, "store"), logger); err != nil {
		return m, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := errors.Join(os.Remove(database), syncAll(draft)); err != nil {
		return m, err
	}
	return m, publish(draft)
}

// vacate fails with ErrNotEmpty where there is something in dir, unless an unfinished restoration has left it.
func vacate(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	ours := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == Unfinished })
	for _, entry := range entries {
		if entry.Name() == "lost+found" || entry.Name() == Unfinished {
			continue // the one is the file system's, and the other goes last
		}
		if !ours {
			return ErrNotEmpty
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	if !ours {
		return nil
	}
	return os.Remove(filepath.Join(dir, Unfinished))
}

func moveAll(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.Rename(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// unpack writes what is in the backup to dir, once it is sure of it.
func unpack(r io.Reader, dir string, identities []age.Identity) (m Manifest, err error) {
	plain, err := age.Decrypt(bufio.NewReader(r), identities...)
	if err != nil {
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
			return m, ErrNoIdentity
		}
		return m, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	packed, err := gzip.NewReader(plain)
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	entries := tar.NewReader(packed)
	if m, err = readManifest(entries); err != nil {
		return m, err
	}
	seen := map[string]bool{}
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		name := filepath.Clean(header.Name)
		if !filepath.IsLocal(name) || len(name) > maxName || seen[name] || len(seen) == maxEntries {
			return m, fmt.Errorf("%w: it has a file of the name %.100q", ErrDamaged, header.Name)
		}
		seen[name] = true
		if err := write(filepath.Join(dir, name), name, header, entries); err != nil {
			return m, err
		}
	}
	// The last bytes prove that nothing was cut off.
	for _, each := range []io.Reader{packed, plain} {
		if _, err := io.Copy(io.Discard, each); err != nil {
			return m, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if !seen[storeName] || !seen["node"] {
		return m, fmt.Errorf("%w: it has no store, or no name of a server", ErrDamaged)
	}
	return m, nil
}

func readManifest(entries *tar.Reader) (m Manifest, err error) {
	header, err := entries.Next()
	if err == nil && (header.Name != manifestName || header.Size > maxManifest) {
		err = errors.New("it does not begin as a backup")
	}
	if err == nil {
		err = json.NewDecoder(entries).Decode(&m)
	}
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if m.Format != format {
		return m, fmt.Errorf("the backup is of format %d, and this version knows format %d", m.Format, format)
	}
	return m, nil
}

// write makes one file. Nothing is written through a link: each goes below folders that were made for it.
func write(path, name string, header *tar.Header, content io.Reader) error {
	if err := throughNoLink(strings.TrimSuffix(path, name), filepath.Dir(name)); err != nil {
		return err
	}
	mode := header.FileInfo().Mode()
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
	case tar.TypeReg:
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		if closed := file.Close(); closed != nil {
			return errors.Join(err, closed)
		}
		if _, ours := errors.AsType[*fs.PathError](err); err != nil && !ours {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := os.Symlink(header.Linkname, path); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w: %.100q is of a kind that no backup has", ErrDamaged, header.Name)
	}
	if os.Geteuid() == 0 && inSamba(name) {
		if err := os.Lchown(path, header.Uid, header.Gid); err != nil {
			return err
		}
	}
	if header.Typeflag != tar.TypeSymlink {
		// Chown takes special bits away.
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	for record, value := range header.PAXRecords {
		if attribute, ok := strings.CutPrefix(record, extended); ok && kept(attribute) {
			if err := unix.Lsetxattr(path, attribute, []byte(value), 0); err != nil {
				return fmt.Errorf("%s: %s: %w", name, attribute, err)
			}
		}
	}
	return nil
}

// throughNoLink fails where a folder on the way is a link.
func throughNoLink(root, dir string) error {
	at := root
	for part := range strings.SplitSeq(dir, string(filepath.Separator)) {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%w: %.100q is not in a folder", ErrDamaged, dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inSamba says whether a file is a domain controller's: those have owners of their own.
func inSamba(name string) bool { return strings.HasPrefix(name, "samba"+string(filepath.Separator)) }

// own gives what is in a data directory an owner, where this process may.
func own(dir string, owner *syscall.Stat_t) error {
	if os.Geteuid() != 0 || owner == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, err := filepath.Rel(dir, path); err != nil || inSamba(name) {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
}

// syncAll brings everything on the file system of dir to the disk.
func syncAll(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(file.Fd())), file.Close())
}
