package samba_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/certificate"
	"latchkey/internal/directory"
	"latchkey/internal/directory/samba"
)

// leader is the first process of a domain controller.
func (w world) leader(t *testing.T, id, host string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "samba", id, host, "process.json"))
	if err != nil {
		t.Fatal(err)
	}
	var process struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal(text, &process); err != nil || process.PID < 2 {
		t.Fatalf("%s: %v", text, err)
	}
	return process.PID
}

// processes is those that have a file open below the folder.
func (w world) processes(t *testing.T) (pids []int) {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/fd")
	if err != nil || len(found) == 0 {
		t.Fatalf("/proc: %v", err)
	}
	for _, files := range found {
		pid, err := strconv.Atoi(strings.Split(files, "/")[2])
		if err != nil || pid == os.Getpid() {
			continue
		}
		entries, _ := os.ReadDir(files)
		for _, entry := range entries {
			if target, _ := os.Readlink(filepath.Join(files, entry.Name())); strings.HasPrefix(target, w.dir+"/samba/") {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// freeze stops those processes, and answers with them. One that starts another may not have been stopped yet.
func (w world) freeze(t *testing.T) (pids []int) {
	t.Helper()
	eventually(t, "all processes are stopped", time.Minute, func() bool {
		pids = w.processes(t)
		all := true
		for _, pid := range pids {
			text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
			if _, state, _ := strings.Cut(string(text), ") "); !strings.HasPrefix(state, "T") {
				all = false
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
		return all
	})
	return pids
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func up(engine *samba.Engine, id string) bool {
	health := engine.Health(id)
	return len(health) > 0 && health[0].Up
}

func down(engine *samba.Engine, id string) bool {
	health := engine.Health(id)
	return len(health) > 0 && !health[0].Up && health[0].Reason != ""
}

// orphan is the environment variable by which this test program is told to serve a directory and to die, as by kill -9.
const orphan = "LATCHKEY_TEST_ORPHAN"

type orphanage struct {
	Dir     string // of the world
	Address string
	Alone   bool // it may not have a second domain controller
}

// leave runs this program as a server that is killed once it serves the directory. through, if given, runs the program.
func (w world) leave(t *testing.T, address string, through ...string) {
	t.Helper()
	text, err := json.Marshal(orphanage{w.dir, address, len(through) > 0})
	if err != nil {
		t.Fatal(err)
	}
	args := append(through, os.Args[0], "-test.run=^TestOrphan$", "-test.v")
	command := exec.CommandContext(t.Context(), args[0], args[1:]...)
	command.Env = append(os.Environ(), orphan+"="+string(text))
	// A session of its own: in that of process 1 the kernel would end the stopped ones of a group whose first process ends.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := command.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the other server: %v\n%s", err, said)
	}
}

// TestOrphan is the other program of leave.
func TestOrphan(t *testing.T) {
	text := os.Getenv(orphan)
	if text == "" {
		t.Skip("it is run by the tests of adoption, in a process that they kill")
	}
	var o orphanage
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	w := world{dir: o.Dir, ca: filepath.Join(o.Dir, "tls", "ca.pem")}
	d := supervised(t)
	engine, controllers := w.engine(t), []samba.Controller{at("dc1", o.Address)}
	if err := engine.Provision(t.Context(), d, controllers); err != nil {
		t.Fatal(err)
	}
	if o.Alone {
		err := engine.Serve(t.Context(), d, append(controllers, at("dc2", "127.78.0.13")))
		if !errors.Is(err, samba.ErrNotPermitted) || !strings.Contains(err.Error(), "CAP_SYS_ADMIN") {
			t.Fatalf("a second one: %v", err)
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func supervised(t *testing.T) directory.Domain {
	return domainOf(t, "d-0000000005", "corpe.example.com", "CORPE", "S-1-5-21-10-11-12")
}

// A domain controller goes on in spite of its own end, of a server's end, and of hanging; when it is to stop, all of it stops.
func TestSupervision(t *testing.T) {
	w := newWorld(t)
	const address = "127.78.0.5"
	d := supervised(t)
	turned := make(chan string, 100)
	var more []string
	options := func(o *samba.Options) {
		o.Changed = func(id string) { turned <- id }
		o.Certificate = func(folder string, hosts []string) (string, string, string, error) {
			return certificate.Issue(w.dir, folder, append(hosts, more...), time.Now)
		}
	}
	engine := w.engine(t, options)
	controllers := []samba.Controller{at("dc1", address)}
	if err := engine.Provision(t.Context(), d, controllers); err != nil {
		t.Fatal(err)
	}
	conn := laidOut(t, engine, d)
	works := func() {
		t.Helper()
		if _, err := directory.ResetPassword(t.Context(), conn, d, "administrator", []byte(newPassword), directory.ResetOptions{}); err != nil {
			t.Error(err)
		}
		if err := w.login(t, address, "Administrator@"+d.Name, newPassword); err != nil {
			t.Error(err)
		}
	}
	works()

	t.Run("killed", func(t *testing.T) {
		before := w.leader(t, d.ID, "dc1")
		for len(turned) > 0 {
			<-turned
		}
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if id := <-turned; id != d.ID {
			t.Errorf("changed: %s", id)
		}
		eventually(t, "it is up again", time.Minute, func() bool { return up(engine, d.ID) && w.leader(t, d.ID, "dc1") != before })
		works()
	})

	t.Run("hangs", func(t *testing.T) {
		// All of it, as when its disk does not answer.
		pids := w.freeze(t)
		eventually(t, "it counts as down", time.Minute, func() bool { return down(engine, d.ID) })
		if reason := engine.Health(d.ID)[0].Reason; !strings.Contains(reason, "does not answer") {
			t.Errorf("reason: %s", reason)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		eventually(t, "it is up again", time.Minute, func() bool { return up(engine, d.ID) })
		works()
	})

	t.Run("served twice", func(t *testing.T) {
		before := w.leader(t, d.ID, "dc1")
		if err := engine.Serve(t.Context(), d, controllers); err != nil {
			t.Error(err)
		}
		if after := w.leader(t, d.ID, "dc1"); after != before {
			t.Errorf("process %d became %d", before, after)
		}
	})

	t.Run("new certificate", func(t *testing.T) {
		before := w.leader(t, d.ID, "dc1")
		more = []string{"ldap.example.com"}
		if err := engine.Serve(t.Context(), d, controllers); err != nil {
			t.Error(err)
		}
		if after := w.leader(t, d.ID, "dc1"); after == before {
			t.Error("it does not know its new certificate")
		}
		works()
		more = nil
	})

	t.Run("does not start", func(t *testing.T) {
		engine.Drop(d.ID)
		database := filepath.Join(w.dir, "samba", d.ID, "dc1", "private", "sam.ldb")
		if err := os.Rename(database, database+".kept"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(database, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := engine.Serve(t.Context(), d, controllers); err == nil || !strings.Contains(err.Error(), "sam.ldb") || len(err.Error()) > 1000 {
			t.Errorf("what Samba says is not passed on: %v", err)
		}
		if !down(engine, d.ID) {
			t.Error("it counts as up")
		}
		// It goes on by itself when the cause is gone.
		if err := os.Rename(database+".kept", database); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is up", time.Minute, func() bool { return up(engine, d.ID) })
	})

	t.Run("dropped", func(t *testing.T) {
		engine.Drop(d.ID)
		if left := w.processes(t); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
		if has(t, address) {
			t.Errorf("%s is left on the loopback interface", address)
		}
		if _, err := engine.Conn(d.ID); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("after Drop: %v", err)
		}
	})

	t.Run("adopted", func(t *testing.T) {
		w.leave(t, address)
		before := w.leader(t, d.ID, "dc1")
		other := w.engine(t)
		if err := other.Serve(t.Context(), d, controllers); err != nil {
			t.Fatal(err)
		}
		if after := w.leader(t, d.ID, "dc1"); after != before {
			t.Errorf("process %d became %d", before, after)
		}
		// It is watched, though it is nobody's child.
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is up again", time.Minute, func() bool { return up(other, d.ID) && w.leader(t, d.ID, "dc1") != before })
		other.Close()
		if has(t, address) {
			t.Errorf("%s, which the other server added, is left on the loopback interface", address)
		}
		if left := w.processes(t); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
		if err := other.Serve(t.Context(), d, controllers); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func has(t *testing.T, address string) bool {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range all {
		if strings.HasPrefix(each.String(), address+"/") {
			return true
		}
	}
	return false
}

// A container's capabilities are enough for one domain controller. Without namespaces its parts outlive its first process:
// they are found by their group, and ended.
func TestContainer(t *testing.T) {
	w := newWorld(t)
	const address = "127.78.0.6"
	ip(t, "add", address)
	t.Cleanup(func() { ip(t, "del", address) })
	// Those that Docker grants by default.
	w.leave(t, address, "setpriv", "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap")
	d := supervised(t)
	leader := w.leader(t, d.ID, "dc1")
	// It answers before all its parts are there.
	const parts = 15
	eventually(t, "its parts are there", time.Minute, func() bool { return len(w.processes(t)) >= parts })
	// Stopped parts do not notice that the first one is gone.
	for _, pid := range w.processes(t) {
		if pid != leader {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
	if err := syscall.Kill(leader, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first process is gone", time.Minute, func() bool {
		return errors.Is(syscall.Kill(leader, 0), syscall.ESRCH)
	})
	if left := w.processes(t); len(left) < parts-1 {
		t.Fatalf("only %d processes are left to be found", len(left))
	}
	engine := w.engine(t)
	controllers := []samba.Controller{at("dc1", address)}
	if err := engine.Serve(t.Context(), d, controllers); err != nil {
		t.Fatal(err)
	}
	laidOut(t, engine, d)
	if err := w.login(t, address, "Administrator@"+d.Name, bossPassword); err != nil {
		t.Error(err)
	}
	if err := engine.Remove(context.Background(), d.ID); err != nil {
		t.Error(err)
	}
	if left := w.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if !has(t, address) {
		t.Errorf("%s was there before, and is gone", address)
	}
}

func ip(t *testing.T, verb, address string) {
	t.Helper()
	if said, err := exec.Command("ip", "address", verb, address+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, said))
	}
}
