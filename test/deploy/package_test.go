package deploy

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"latchkey/internal/config"
)

func bufferOf(text []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(text)) }

func format(port int32) string { return strconv.Itoa(int(port)) }

// known says whether an environment variable is an option's.
func known(t *testing.T, variable string) bool {
	t.Helper()
	parser, err := kong.New(&config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if slices.Contains(flag.Envs, variable) {
			return true
		}
	}
	return false
}

// apart runs a script as root on a copy of this machine's files that goes with it.
const apart = `set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
cp "$2" "$3" "$1/root/tmp"
exec chroot "$1/root" /bin/sh -ec "$4"`

// buildPackage is the path of a package of that version.
func buildPackage(t *testing.T, version string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../../deploy/debian/build", version, t.TempDir())
	var said bytes.Buffer
	command.Stderr = &said
	path, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	return strings.TrimSpace(string(path))
}

// TestPackage: the Debian package is installed, its service's user runs the server as the unit does, an update keeps the data,
// and so does its removal.
func TestPackage(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("a package is installed by root alone")
		}
		t.Skip("a package is installed by root alone")
	}
	script, err := os.ReadFile("testdata/package.sh")
	if err != nil {
		t.Fatal(err)
	}
	first, second := buildPackage(t, "1.0"), buildPackage(t, "1.1")
	command := exec.CommandContext(t.Context(), "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", apart, "sh", t.TempDir(), first, second, string(script))
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "FIRST=/tmp/" + filepath.Base(first), "SECOND=/tmp/" + filepath.Base(second)}
	said, err := command.CombinedOutput()
	t.Logf("%s", said)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(strings.TrimSpace(string(said)), "all held") {
		t.Error("the script did not come to its end")
	}
}
