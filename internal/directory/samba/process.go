package samba

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"latchkey/internal/durable"
)

// process is a domain controller's first process. Its identifier is used again for others some day; together with when it
// started, and in which run of the machine, it means this one alone.
type process struct {
	PID      int    `json:"pid"` // of the process group as well
	Start    string `json:"start"`
	Boot     string `json:"boot"`
	Isolated bool   `json:"isolated"` // it is the first of a process namespace
}

func (p process) pid() string { return strconv.Itoa(p.PID) }

func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}

// status is what proc(5) says of a process in /proc/pid/stat.
type status struct {
	parent, group int
	start         string
	zombie        bool
}

func statusOf(pid int) (status, bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return status{}, false
	}
	// The name in brackets may have brackets itself.
	fields := strings.Fields(string(text)[strings.LastIndex(string(text), ")")+1:])
	if len(fields) < 20 {
		return status{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return status{}, false
	}
	group, err := strconv.Atoi(fields[2])
	return status{parent, group, fields[19], fields[0] == "Z" || fields[0] == "X"}, err == nil
}

func identify(pid int, isolated bool) (process, error) {
	boot, err := bootID()
	if err != nil {
		return process{}, err
	}
	s, ok := statusOf(pid)
	if !ok {
		return process{}, fmt.Errorf("process %d is gone", pid)
	}
	return process{pid, s.start, boot, isolated}, nil
}

func (p process) alive() bool {
	boot, err := bootID()
	return err == nil && boot == p.Boot && runs(p.PID, p.Start)
}

func runs(pid int, start string) bool {
	s, ok := statusOf(pid)
	return ok && !s.zombie && s.start == start
}

// members are the processes of a domain controller that are left, with their start times: its group, and what these
// started, as smbd and winbindd have groups of their own. Without its first process they count only if they have files of
// the folder open: numbers of groups are used again, too.
func (p process) members(f folder) map[int]string {
	members := map[int]string{}
	first, err := strconv.ParseUint(p.Start, 10, 64)
	boot, bootErr := bootID()
	if err != nil || bootErr != nil || boot != p.Boot {
		return members
	}
	leader, there := statusOf(p.PID)
	if there && leader.start != p.Start || !there && p.Isolated {
		return members // all are gone, or the number could not have been used again; or the kernel has ended them
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return members
	}
	all := map[int]status{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		s, ok := statusOf(pid)
		began, err := strconv.ParseUint(s.start, 10, 64)
		if !ok || s.zombie || err != nil || began < first {
			continue
		}
		all[pid] = s
		if pid == p.PID || s.group == p.PID && (there || f.openIn(pid)) {
			members[pid] = s.start
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, s := range all {
			_, known := members[pid]
			if _, child := members[s.parent]; child && !known {
				members[pid], grown = s.start, true
			}
		}
	}
	return members
}

// openIn says whether a process has a file of the folder open.
func (f folder) openIn(pid int) bool {
	files := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(files)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		if target, err := os.Readlink(filepath.Join(files, entry.Name())); err == nil && strings.HasPrefix(target, string(f)+"/") {
			return true
		}
	}
	return false
}

// signal reaches the process that started then, or none.
func signal(pid int, start string, which syscall.Signal) {
	handle, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(handle) }()
	if runs(pid, start) {
		_ = unix.PidfdSendSignal(handle, which, nil, 0)
	}
}

const (
	lookAgain = 20 * time.Millisecond
	killLimit = 5 * time.Second
)

// end stops a domain controller with all its processes: first by asking, for as long as patience lasts.
func (p process) end(f folder, patience time.Duration) error {
	seen := p.members(f)
	left := func() (pids []int) {
		maps.Copy(seen, p.members(f))
		for pid, start := range seen {
			if runs(pid, start) {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	if patience > 0 && p.alive() {
		signal(p.PID, p.Start, syscall.SIGTERM)
		for pid, start := range seen {
			signal(pid, start, syscall.SIGCONT) // one that is stopped can't obey
		}
		for deadline := time.Now().Add(patience); time.Now().Before(deadline) && len(left()) > 0; time.Sleep(lookAgain) {
		}
	}
	for deadline := time.Now().Add(killLimit); ; time.Sleep(lookAgain) {
		pids := left()
		switch {
		case len(pids) == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("processes %v do not end", pids)
		}
		for _, pid := range pids {
			signal(pid, seen[pid], syscall.SIGKILL)
		}
	}
}

// wait returns when the process has ended, whoever started it.
func (p process) wait() {
	handle, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(handle) }()
	// Another process may have the number by now.
	if !p.alive() {
		return
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (p process) save(path string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.Replace(path, 0o600, text)
}

// loadProcess is what save wrote; an empty process where nothing is known.
func loadProcess(path string) process {
	var p process
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &p) != nil {
		return process{}
	}
	return p
}

// Running is the domain controllers below dir whose processes run, whoever started them.
func Running(dir string) (hosts []string, err error) {
	states, err := filepath.Glob(filepath.Join(dir, "*", "*", "process.json"))
	for _, path := range states {
		if loadProcess(path).alive() {
			hosts = append(hosts, filepath.Base(filepath.Dir(path)))
		}
	}
	return hosts, err
}
