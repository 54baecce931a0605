package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
)

var noCore = regexp.MustCompile(`(?m)^Max core file size\s+0\s+0\s`)

// TestNoCore: the server's memory, which passwords pass through, is in no core file, and no other process of its user may read it.
func TestNoCore(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "data"), "")
	process := fmt.Sprintf("/proc/%d", s.process.Process.Pid)
	limits, err := os.ReadFile(filepath.Join(process, "limits"))
	if err != nil || !noCore.Match(limits) {
		t.Errorf("%v: %s", err, limits)
	}
	// What may not be dumped belongs to root, whoever runs it (proc(5), /proc/pid).
	if os.Geteuid() != 0 {
		info, err := os.Stat(filepath.Join(process, "mem"))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("its memory is there for others: %v, %v", info, err)
		}
	}
	s.signal(t, syscall.SIGABRT)
	<-s.exited
	if status, ok := s.process.ProcessState.Sys().(syscall.WaitStatus); ok && status.CoreDump() {
		t.Error("it has dumped its core")
	}
}
