package samba

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// needs are the programs and files of a domain controller, and the Debian packages that have them.
var needs = map[string]string{
	"samba": "samba", "samba-tool": "samba", "samba_dnsupdate": "samba", "smbd": "samba", "winbindd": "winbind", "ip": "iproute2", "tdbbackup": "tdb-tools",
}

// capabilities are those that Samba can't do without.
var capabilities = map[string]uint{
	"CAP_CHOWN": unix.CAP_CHOWN, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "CAP_FOWNER": unix.CAP_FOWNER, "CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE,
	"CAP_SETGID": unix.CAP_SETGID, "CAP_SETUID": unix.CAP_SETUID,
}

// Available says whether domain controllers can be run here. Its error wraps ErrNotInstalled or ErrNotPermitted, and says
// what to install or to grant. Whether addresses can be added is seen when they are.
func (e *Engine) Available() error {
	var lacking []string
	for program, pack := range needs {
		if _, err := exec.LookPath(program); err != nil {
			lacking = append(lacking, pack)
		}
	}
	if _, err := os.Stat("/usr/share/samba/setup/provision.ldif"); err != nil {
		lacking = append(lacking, "samba-ad-provision")
	}
	for module, pack := range map[string]string{"ldb/samba_dsdb.so": "samba-dsdb-modules", "vfs/acl_xattr.so": "samba-vfs-modules"} {
		if found, err := filepath.Glob("/usr/lib*/*/samba/" + module); err == nil && len(found) == 0 {
			lacking = append(lacking, pack)
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		return fmt.Errorf("%w: apt-get install --no-install-recommends %s", ErrNotInstalled, strings.Join(slices.Compact(lacking), " "))
	}
	return permitted()
}

func permitted() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: Samba's domain controller runs as root only (start Latchkey as root: in a container will do)", ErrNotPermitted)
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\nCapEff:")
	digits, _, _ := strings.Cut(rest, "\n")
	granted, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 64)
	if err != nil {
		return err
	}
	var lacking []string
	for name, bit := range capabilities {
		if granted>>bit&1 == 0 {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		return fmt.Errorf("%w: it lacks the capabilities %s (a container gets one by --cap-add, a systemd service by AmbientCapabilities)", ErrNotPermitted, strings.Join(lacking, ", "))
	}
	return nil
}

// mayIsolate says whether domain controllers can have namespaces of their own here.
func (e *Engine) mayIsolate() bool {
	trial, err := os.MkdirTemp("", "latchkey.*")
	if err != nil {
		return false
	}
	defer func() { _ = os.RemoveAll(trial) }()
	f := folder(trial)
	if err := os.Mkdir(f.at("etc"), 0o700); err != nil {
		return false
	}
	if err := os.WriteFile(f.resolv(), nil, 0o600); err != nil {
		return false
	}
	if err := f.mayIsolate(context.Background()); err != nil {
		e.Logger.Info("domain controllers have no namespaces of their own here", "err", err)
		return false
	}
	return true
}
