// Package backup saves everything that a server keeps in one encrypted file, while the server runs or not, and makes a data
// directory of such a file again.
//
// The file is age's format (https://age-encryption.org/v1) around gzip around tar. The first entry is manifest.json, the
// second etcd's database; then come the files of the data directory by their names.
package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"latchkey/internal/audit"
	"latchkey/internal/directory/samba"
	"latchkey/internal/masterkey"
	"latchkey/internal/store"
)

// ErrControllers says that domain controllers run, whose files are whole only while they do not.
var ErrControllers = errors.New("domain controllers run, and their files can't be saved meanwhile")

// Manifest is what a backup says about itself.
type Manifest struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
	// MasterKey says that the key that everything secret is sealed with is in the backup.
	MasterKey bool `json:"masterKey"`
}

const (
	format       = 1
	manifestName = "manifest.json"
	storeName    = "store.db"
	// extended begins the names of PAX records that are extended attributes, as in tars by GNU's and BSD's.
	extended = "SCHILY.xattr."
)

// Source is what is saved.
type Source struct {
	Dir   string
	Store *store.Store
	// Running says that a server writes to both.
	Running bool
	Now     func() time.Time
}

// Check fails where nothing can be saved as things are: with store.ErrCluster, or ErrControllers.
func (s Source) Check() error {
	if !s.Store.Own() {
		return store.ErrCluster
	}
	hosts, err := samba.Running(filepath.Join(s.Dir, "samba"))
	if err != nil {
		return err
	}
	if len(hosts) > 0 {
		return fmt.Errorf("%w: %s", ErrControllers, strings.Join(hosts, ", "))
	}
	return nil
}

// Write saves a server for those recipients. All that was acknowledged before is in it. Where it fails, what it has written
// can't be restored.
func (s Source) Write(ctx context.Context, w io.Writer, recipients ...age.Recipient) error {
	if err := s.Check(); err != nil {
		return err
	}
	// First the store, then the audit trail: it tells of all that is in the store.
	database, err := s.database()
	if err != nil {
		return err
	}
	defer database.Close()
	encrypted, err := age.Encrypt(w, recipients...)
	if err != nil {
		return err
	}
	packed := gzip.NewWriter(encrypted)
	a := &archive{ctx: ctx, tar: tar.NewWriter(packed), now: s.Now()}
	for _, step := range []func() error{
		func() error { return s.manifest(a) },
		func() error { return a.file(storeName, database) },
		func() error { return s.trail(a) },
		func() error { return s.files(a) },
		a.tar.Close, packed.Close, encrypted.Close, // what is not closed is found to be cut off
	} {
		if err := step(); err != nil {
			return fmt.Errorf("back up: %w", err)
		}
	}
	return nil
}

// database is etcd's as it is now, in a file that is nowhere any more: a slow reader is not to hold etcd up.
func (s Source) database() (_ *os.File, err error) {
	taken, err := s.Store.Copy()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, taken.Close()) }()
	if err := s.Store.Room(taken.Size()); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(s.Dir, ".backup.*.new")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := taken.WriteTo(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (s Source) manifest(a *archive) error {
	m := Manifest{Format: format, Created: s.Now().UTC()}
	if _, err := os.Stat(filepath.Join(s.Dir, masterkey.File)); err == nil {
		m.MasterKey = true
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return a.add(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(text)), ModTime: a.now}, strings.NewReader(string(text)))
}

// trail is the audit trail: of a running server up to a digest, of another one all of it.
func (s Source) trail(a *archive) error {
	if !s.Running {
		return nil
	}
	held, release, err := audit.Hold(a.ctx, s.Dir)
	if err != nil {
		return err
	}
	defer release()
	for _, each := range held {
		if err := a.add(&tar.Header{Name: each.Name, Mode: 0o600, Size: each.Size, ModTime: a.now}, each.Reader); err != nil {
			return err
		}
	}
	return nil
}

// left says what of the data directory is not saved: what belongs to the server that runs, drafts, and what is saved already.
func (s Source) left(name string) bool {
	base := filepath.Base(name)
	switch name {
	case "store", "store.unfinished", "lock":
		return true
	case audit.LogFile, audit.IntentFile, audit.DigestFile:
		return s.Running
	}
	return audit.IsRotated(name) && s.Running || strings.HasPrefix(base, ".") && strings.HasSuffix(base, ".new")
}

func (s Source) files(a *archive) error {
	return filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(s.Dir, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it has gone since it was listed
		case err != nil || relErr != nil:
			return errors.Join(err, relErr)
		case name == ".":
			return nil
		case s.left(name) && entry.IsDir():
			return filepath.SkipDir
		case s.left(name):
			return nil
		}
		return a.path(path, filepath.ToSlash(name))
	})
}

// archive writes a tar.
type archive struct {
	ctx context.Context
	tar *tar.Writer
	now time.Time
}

func (a *archive) add(header *tar.Header, content io.Reader) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	header.Format = tar.FormatPAX
	if err := a.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	if header.Size == 0 {
		return nil
	}
	n, err := io.Copy(a.tar, io.LimitReader(content, header.Size))
	if err == nil && n < header.Size {
		err = fmt.Errorf("it had %d bytes, and now has %d", header.Size, n)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	return nil
}

func (a *archive) file(name string, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return a.add(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: a.now}, file)
}

// path saves what is there: a file, a folder or a link, with its owner and its extended attributes. Sockets and the like are
// made by whoever uses them.
func (a *archive) path(path, name string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	target := ""
	switch info.Mode().Type() {
	case 0, fs.ModeDir:
	case fs.ModeSymlink:
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	default:
		return nil
	}
	var content *os.File
	if info.Mode().IsRegular() {
		if content, err = os.Open(path); err != nil {
			return err
		}
		defer content.Close()
		if info, err = content.Stat(); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name = name
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		header.Uid, header.Gid = int(owner.Uid), int(owner.Gid)
	}
	header.Uname, header.Gname = "", ""
	if header.PAXRecords, err = attributes(path); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if content == nil {
		return a.add(header, nil)
	}
	return a.add(header, content)
}

// maxAttribute is Linux's limit of an extended attribute, and of the list of their names (xattr(7)).
const maxAttribute = 64 << 10

// kept says whether an extended attribute belongs to a file wherever it is. Others are the machine's, such as SELinux's.
func kept(name string) bool {
	return strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "system.posix_acl_") || name == "security.NTACL"
}

// attributes are the extended ones: Samba keeps Windows' access control lists in them.
func attributes(path string) (map[string]string, error) {
	names := make([]byte, maxAttribute)
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		if !kept(name) {
			continue
		}
		value := make([]byte, maxAttribute)
		size, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		all[extended+name] = string(value[:size])
	}
	return all, nil
}
