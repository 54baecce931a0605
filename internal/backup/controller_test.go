package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"latchkey/internal/audit"
)

// TestControllers: a domain controller's files keep their owners, modes, links and access control lists; its sockets are left
// out. While it runs nothing is saved.
func TestControllers(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root gives files to others")
		}
		t.Skip("only root gives files to others")
	}
	s, trail := served(t)
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	s.Running = false
	const host = "samba/d-0123456789/dc1"
	folder := filepath.Join(s.Dir, host)
	file := filepath.Join(folder, "sysvol", "file")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o770), os.WriteFile(file, []byte("kept"), 0o600), os.Lchown(file, 3000000, 3000001),
		os.Chmod(file, 0o664|os.ModeSetgid), os.Chmod(filepath.Dir(file), 0o770), os.Symlink("sysvol/file", filepath.Join(folder, "link"))); err != nil {
		t.Fatal(err)
	}
	access := []byte("NT\x00\x01access control")
	if err := unix.Lsetxattr(file, "security.NTACL", access, 0); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("the file system has no extended attributes: %v", err)
	}
	// A path of a socket has to be short.
	t.Chdir(folder)
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	id := identity(t)

	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	state, err := json.Marshal(map[string]any{
		"pid": os.Getpid(), "start": strings.Fields(string(stat)[strings.LastIndex(string(stat), ")")+1:])[19], "boot": strings.TrimSpace(string(boot)),
	})
	if err != nil {
		t.Fatal(err)
	}
	running := filepath.Join(folder, "process.json")
	if err := os.WriteFile(running, state, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), io.Discard, id.Recipient()); !errors.Is(err, ErrControllers) || !strings.Contains(err.Error(), "dc1") {
		t.Errorf("a domain controller that runs: %v", err)
	}
	if _, err := (&Server{Source: s}).Begin([]string{id.Recipient().String()}); !errors.Is(err, ErrControllers) {
		t.Errorf("a domain controller that runs: %v", err)
	}
	if err := os.Remove(running); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "restored")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(dir, 1234, 1235); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(bytes.NewReader(written(t, s, id.Recipient())), dir, quiet, id); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]uint32{host + "/sysvol/file": {3000000, 3000001}, host: {0, 0}, "node": {1234, 1235}, "store/member": {1234, 1235}, "": {1234, 1235}} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != want[0] || owner.Gid != want[1] {
			t.Errorf("%s belongs to %d:%d, want %v", name, owner.Uid, owner.Gid, want)
		}
	}
	restored := filepath.Join(dir, host, "sysvol", "file")
	if info, err := os.Stat(restored); err != nil || info.Mode() != 0o664|os.ModeSetgid {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	value := make([]byte, 100)
	if n, err := unix.Lgetxattr(restored, "security.NTACL", value); err != nil || !bytes.Equal(value[:n], access) {
		t.Errorf("%q, %v", value[:max(n, 0)], err)
	}
	if target, err := os.Readlink(filepath.Join(dir, host, "link")); err != nil || target != "sysvol/file" {
		t.Errorf("%q, %v", target, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, host, "socket")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket: %v", err)
	}
	// The trail of a server that is stopped is all there.
	key, err := audit.ReadPublic(filepath.Join(dir, audit.PublicFile))
	if err != nil {
		t.Fatal(err)
	}
	if report, err := audit.Verify(dir, key); err != nil || len(report.Findings) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}
