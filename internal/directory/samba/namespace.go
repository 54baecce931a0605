package samba

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// sharedSysvol is where the sysvol share is within the namespaces: users must be able to reach it, and can't look into the
// data directory.
const sharedSysvol = "/run/samba/sysvol"

// privateTemporary is the folder for temporary files there. It is that of the share IPC$ too, which all users reach.
const privateTemporary = "/run/samba/tmp"

// inside prepares the namespaces that a domain controller runs in, and runs the command there. It resolves names as
// etc/resolv.conf of the folder $1 says; where the machine's own is a link into /run, the place is made anew. /run is
// private, as Samba's libraries look for winbindd at a place there that no configuration moves.
const inside = `set -e
umask 022
ulimit -c 0
resolv=$(readlink -m /etc/resolv.conf)
mount -t tmpfs -o mode=0755 tmpfs /run
case $resolv in /run/*) mkdir -p "${resolv%/*}"; : >"$resolv";; esac
mount --bind "$1/etc/resolv.conf" "$resolv"
mkdir -p /run/samba/winbindd "$1/winbindd" ` + sharedSysvol + ` "$1/state/sysvol"
mkdir -m 1777 ` + privateTemporary + `
mount --bind "$1/winbindd" /run/samba/winbindd
mount --bind "$1/state/sysvol" ` + sharedSysvol + `
shift
exec "$@"`

// isolate gives a command a mount namespace, and a process namespace, whose first process it is: when that ends, the kernel
// ends all others, also smbd and winbindd, which leave the process group.
func (f folder) isolate(command *exec.Cmd) *exec.Cmd {
	command.Args = append([]string{"sh", "-c", inside, "sh", string(f)}, command.Args...)
	command.Path, command.Err = exec.LookPath("sh")
	command.Env = append(command.Env, "TMPDIR="+privateTemporary)
	command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	// Unlike a clone flag this one makes the mounts private.
	command.SysProcAttr.Unshareflags |= syscall.CLONE_NEWNS
	return command
}

// mayIsolate fails unless this process may make such namespaces.
func (f folder) mayIsolate(ctx context.Context) error {
	return run(ctx, "namespaces", nil, func(ctx context.Context) *exec.Cmd {
		return f.isolate(command(ctx, environment(), "true"))
	})
}

// errSeveral says why there can be but one.
var errSeveral = fmt.Errorf("%w: several domain controllers of a domain take mount and process namespaces of their own (grant CAP_SYS_ADMIN, or have one domain controller by --samba-controllers 1)", ErrNotPermitted)

// tool runs one of Samba's programs as the domain controller of the folder would: within its namespaces when it runs.
func (e *Engine) tool(ctx context.Context, f folder, within process, secret []byte, args ...string) error {
	what := strings.Join(args[:min(len(args), 4)], " ")
	return run(ctx, what, secret, func(ctx context.Context) *exec.Cmd {
		enter := within.Isolated && within.alive()
		if enter {
			args = append([]string{"nsenter", "--target", within.pid(), "--mount", "--pid", "--"}, args...)
		}
		command := command(ctx, f.environment(), args[0], args[1:]...)
		switch {
		case enter:
			command.Env = append(command.Env, "TMPDIR="+privateTemporary)
		case e.isolated():
			f.isolate(command)
		}
		return command
	})
}
