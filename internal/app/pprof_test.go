package app

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPprofRefusals: what is in the way of the socket stays as it is, and nothing else is left behind.
func TestPprofRefusals(t *testing.T) {
	folder, err := os.MkdirTemp("", "pprof") // t.TempDir's names may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	used := filepath.Join(folder, "used")
	listener, err := net.Listen("unix", used)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	link := filepath.Join(folder, "link")
	if err := os.Symlink("/nowhere/else", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file: "is no socket", link: "is no socket", used: "in use", filepath.Join(folder, "missing", "s"): "no such file",
	} {
		if p, err := listenPprof(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--pprof-socket") {
			t.Errorf("%s: %v, want %q", path, err, want)
			if p != nil {
				_ = p.Close()
			}
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
	p, err := listenPprof(filepath.Join(folder, "ours"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
}
