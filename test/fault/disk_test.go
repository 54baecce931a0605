package fault

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk: on a disk without space a write is refused and changes nothing, reads and logins go on, and when there is
// space again so do the writes; nothing that was acknowledged is lost.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("mounting a file system of a chosen size takes root")
		}
		t.Skip("mounting a file system of a chosen size takes root")
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m"); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s := start(t, filepath.Join(disk, "data"), writeSeed(t, 1))
	client := &http.Client{}
	defer client.CloseIdleConnections()
	reset := func(password string) (int, string) {
		status, body, err := s.call(t.Context(), client, "ResetUserPassword", "fault/disk/"+password, map[string]string{"DirectoryId": directoryID, "UserName": "stream0", "NewPassword": password})
		if err != nil {
			t.Fatalf("%v\n%s", err, s.stderr.String())
		}
		return status, string(body)
	}
	if status, body := reset("Before-it-was-full-1"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	filler := filepath.Join(disk, "filler")
	fill(t, filler)

	// The audit trail may have a little room in its last block: at some point there is none.
	refused := ""
	last := "Before-it-was-full-1"
	for deadline := time.Now().Add(patience); refused == "" && time.Now().Before(deadline); {
		password := "While-it-is-full-" + time.Now().Format("150405.000000")
		status, body := reset(password)
		switch status {
		case http.StatusOK:
			last = password
		case http.StatusInternalServerError:
			refused = password
			if !strings.Contains(body, "ServiceException") {
				t.Errorf("%s", body)
			}
		default:
			t.Fatalf("%d %s", status, body)
		}
	}
	if refused == "" {
		t.Fatal("no reset was refused on a full disk")
	}
	if data := s.login(t, `FAULT\stream0`, last); data != "" {
		t.Errorf("the password that was acknowledged last: data %s", data)
	}
	if data := s.login(t, `FAULT\stream0`, refused); data != "52e" {
		t.Errorf("the password that was refused: data %q", data)
	}
	if status, body, err := s.call(t.Context(), client, "DescribeDirectories", "fault/disk", map[string]string{}); err != nil || status != http.StatusOK {
		t.Errorf("a read on a full disk: %d %s %v", status, body, err)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	after := "When-there-is-room-2"
	status, body := 0, ""
	for deadline := time.Now().Add(patience); status != http.StatusOK && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		status, body = reset(after)
	}
	if status != http.StatusOK {
		t.Fatalf("with room again: %d %s\n%s", status, body, s.stderr.String())
	}
	if data := s.login(t, `FAULT\stream0`, after); data != "" {
		t.Errorf("data %s", data)
	}
	s.kill()
	s = start(t, filepath.Join(disk, "data"), "")
	if data := s.login(t, `FAULT\stream0`, after); data != "" {
		t.Errorf("after a restart: data %s", data)
	}
	for agent, events := range audit(t, filepath.Join(disk, "data")) {
		if strings.HasSuffix(agent, refused) && (len(events) != 1 || events[0].ErrorCode == "") {
			t.Errorf("the refused reset in the audit trail: %v", events)
		}
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// TestStopped: a server that is stopped for a while (SIGSTOP) goes on where it was; a reset that waited is done once.
func TestStopped(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "data"), writeSeed(t, 1))
	client := &http.Client{}
	defer client.CloseIdleConnections()
	if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	done := make(chan int, 1)
	go func() {
		status, _, err := s.call(t.Context(), client, "ResetUserPassword", "fault/stopped", map[string]string{"DirectoryId": directoryID, "UserName": "stream0", "NewPassword": "Stopped-and-gone-on-1"})
		if err != nil {
			status = -1
		}
		done <- status
	}()
	time.Sleep(500 * time.Millisecond)
	if err := s.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if status := <-done; status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if data := s.login(t, `FAULT\stream0`, "Stopped-and-gone-on-1"); data != "" {
		t.Errorf("data %s", data)
	}
	if events := audit(t, s.data)["fault/stopped"]; len(events) != 1 || events[0].ErrorCode != "" {
		t.Errorf("%v", events)
	}
}
