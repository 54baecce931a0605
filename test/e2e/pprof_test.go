package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/config"
)

// TestPprof: profiles are had by curl from the socket, for this user alone, and by nobody over TCP.
func TestPprof(t *testing.T) {
	t.Parallel()
	folder, err := os.MkdirTemp("", "pprof") // t.TempDir's names may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "socket")
	// One that a killed server has left does no harm.
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	_ = left.Close()
	s := start(t, "", func(c *config.Config) { c.PprofSocket = socket })
	info, err := os.Lstat(socket)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	get := func(url string, args ...string) string {
		said, err := exec.CommandContext(t.Context(), program(t, "curl", "curl"), append(args, "--silent", "--show-error", "--output", filepath.Join(folder, "out"), "--write-out", "%{http_code}", url)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		return string(said)
	}
	if code := get("http://latchkey/debug/pprof/heap", "--unix-socket", socket); code != "200" {
		t.Errorf("heap: %s", code)
	}
	shown, err := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-top", "-sample_index=inuse_space", filepath.Join(folder, "out")).CombinedOutput()
	if err != nil || !strings.Contains(string(shown), "inuse_space") {
		t.Errorf("go tool pprof: %v: %s", err, shown)
	}
	if code := get("http://latchkey/debug/pprof/profile?seconds=1", "--unix-socket", socket); code != "200" {
		t.Errorf("profile: %s", code)
	}
	if code := get(s.API + "/debug/pprof/heap"); code == "200" {
		t.Error("the API's address has profiles")
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v: want the socket and what curl wrote", entries, err)
	}
	s.stop()
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}
