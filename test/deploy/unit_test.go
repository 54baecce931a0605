package deploy

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// noControlGroups is boot.sh's exit status where there can be no systemd.
const noControlGroups = 77

var dropIn = regexp.MustCompile("(?s)`systemctl edit latchkey`:\n\n```\n(.*?)```")

// TestUnit: the package's unit under a systemd that is process 1, and the drop-in of the guide.
func TestUnit(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("namespaces are root's alone")
		}
		t.Skip("namespaces are root's alone")
	}
	shared := t.TempDir()
	guide, err := os.ReadFile("../../docs/operations-guide.md")
	if err != nil {
		t.Fatal(err)
	}
	found := dropIn.FindSubmatch(guide)
	if found == nil {
		t.Fatal("the guide has no drop-in")
	}
	script, err := os.ReadFile("testdata/unit.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"samba.conf": found[1], "unit.sh": script, "said": nil} {
		if err := os.WriteFile(filepath.Join(shared, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, version := range map[string]string{"first.deb": "1.0", "second.deb": "1.1"} {
		if err := os.Rename(buildPackage(t, version), filepath.Join(shared, name)); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"--uts", "--ipc", "--net", "--cgroup", "sh", "testdata/boot.sh", t.TempDir(), shared)
	booted, err := command.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == noControlGroups {
		t.Skipf("no control groups, and so no systemd: %s", booted)
	}
	said, readErr := os.ReadFile(filepath.Join(shared, "said"))
	t.Logf("%s%s", booted, said)
	if err := errors.Join(err, readErr); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(strings.TrimSpace(string(said)), "all held") {
		t.Error("the script did not come to its end")
	}
}
