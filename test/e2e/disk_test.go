package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"latchkey/internal/config"
)

// tinyDisk is a file system that can be filled. The store is not on it: what is tried is the audit trail.
func tinyDisk(t *testing.T) (data string, fill, empty func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "the right to mount", "run as root")
	}
	data = t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=4m,mode=0700"); err != nil {
		missing(t, "mount: "+err.Error(), "run as root, outside of a restricted container")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.Symlink(t.TempDir(), filepath.Join(data, "store")); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(data, "filler")
	fill = func() {
		t.Helper()
		file, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		for block := make([]byte, 4096); err == nil; {
			_, err = file.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	empty = func() {
		t.Helper()
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	return data, fill, empty
}

// TestDiskFull: on a full disk changes are refused, or go on without a record where that is the setting, and both end when there
// is room again.
func TestDiskFull(t *testing.T) {
	for _, setting := range []string{"refuse", "continue"} {
		t.Run(setting, func(t *testing.T) {
			data, fill, empty := tinyDisk(t)
			s := start(t, worldSeed, func(c *config.Config) { c.Data, c.AuditOnFailure = data, setting })
			aws := program(t, "aws", "awscli")
			reset := func(password string) error {
				command := exec.CommandContext(t.Context(), aws, "--endpoint-url", s.API, "--region", home, "ds", "reset-user-password",
					"--directory-id", corpID, "--user-name", "jane", "--new-password", password)
				command.Env = environment(t, s)
				said, err := command.CombinedOutput()
				if err != nil {
					t.Logf("%s", said)
				}
				return err
			}
			if err := reset(nextPassword); err != nil {
				t.Fatal(err)
			}
			fill()
			// The first calls may still find room in a page that has been taken.
			full := "changes are refused until it can"
			if setting == "continue" {
				full = "calls go on, without their records on the disk, until it can"
			}
			tried := 0
			await(t, "a word about it in the log", func() bool {
				_ = reset(marker + "-During-1")
				tried++
				return strings.Contains(s.log.String(), full)
			})
			if err := reset(marker + "-During-2"); (err == nil) != (setting == "continue") {
				t.Errorf("on a full disk: %v", err)
			}
			if code := login(t, s, `CORP\jane`, marker+"-During-2"); (code == "") != (setting == "continue") {
				t.Errorf("jane's login with a password of the time when the disk was full: %q", code)
			}
			empty()
			await(t, "a change", func() bool { return reset(marker+"-After-1") == nil })
			if code := login(t, s, `CORP\jane`, marker+"-After-1"); code != "" {
				t.Errorf("jane can't log in: %s", code)
			}
			s.stop()
			if said, code := latchkey(t, s, "audit", "verify", "--data", data); code != 0 {
				t.Errorf("%s", said)
			}
			succeeded := 0
			for _, r := range auditLog(t, s) {
				if r["eventName"] == "ResetUserPassword" && r["errorCode"] == nil {
					succeeded++
				}
			}
			// Memory has held what the disk could not.
			if setting == "continue" && succeeded != tried+3 || succeeded < 2 {
				t.Errorf("%d resets succeeded by the trail", succeeded)
			}
		})
	}
}
