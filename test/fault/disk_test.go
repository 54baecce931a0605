package fault

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// smallDisk is a file system of its own. Of its 320 MiB etcd takes 128 when it starts, and of the rest it leaves 96 free.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("mounting a file system of a chosen size takes root")
		}
		t.Skip("mounting a file system of a chosen size takes root")
	}
	disk := filepath.Join(t.TempDir(), "disk")
	mount(t, disk, "320m")
	return disk
}

// mount makes a folder that is a file system of that size.
func mount(t *testing.T, disk, size string) {
	t.Helper()
	if err := os.MkdirAll(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// fill writes a file until so many bytes are free.
func fill(t *testing.T, path string, leave uint64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		var disk syscall.Statfs_t
		if err := syscall.Statfs(path, &disk); err != nil {
			t.Fatal(err)
		}
		if leave > 0 && disk.Bavail*uint64(disk.Bsize) <= leave {
			return
		}
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// tally counts the answers to resets.
type tally struct {
	mu       sync.Mutex
	statuses map[int]int
	failures map[string]int
}

// allow notes a failure and says that it may be.
func (c *tally) allow(status int, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failures[err.Error()]++
		return true
	}
	c.statuses[status]++
	return status == http.StatusInternalServerError
}

func (c *tally) count(status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.statuses[status]
}

// TestFullDisk: when a disk is nearly full, writes are refused, reads and logins go on, and when there is space again so do
// the writes. When it is full to the last byte the server may end, and says why. Nothing that was acknowledged is lost,
// nothing that was refused is in force.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	data := filepath.Join(disk, "data")
	s := start(t, data, writeSeed(t, 1))
	histories := newHistories()
	var told []*attempt
	answers := &tally{statuses: map[int]int{}, failures: map[string]int{}}
	finish := s.load(t, "nearly", histories, true, patience, answers.allow)
	time.Sleep(300 * time.Millisecond)
	filler := filepath.Join(disk, "filler")
	fill(t, filler, 32<<20)
	answers.await(t, s)
	// LDAP writes pass the audit trail by: the store itself refuses.
	admin := s.administrator(t)
	if written, _ := s.retitle(t, admin); written > 0 {
		t.Errorf("%d changes by LDAP were made on a disk that is nearly full", written)
	}
	s.directories(t)
	if code := s.login(t, `FAULT\once0`, firstPassword); code != "533" {
		t.Errorf("a login on a disk that is nearly full: %q", code)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.awaitRoom(t)
	finish()
	if len(answers.failures) > 0 {
		t.Errorf("some had no answer: %v", answers.failures)
	}
	written, title := s.retitle(t, admin)
	if written == 0 {
		t.Error("no change by LDAP was made when there was space again")
	}
	checkAll(t, s, data, histories, &told)

	finish = s.load(t, "full", histories, true, patience, answers.allow)
	time.Sleep(300 * time.Millisecond)
	fill(t, filler, 0)
	answers.await(t, s)
	time.Sleep(300 * time.Millisecond)
	if s.dead() {
		if !strings.Contains(s.stderr.String(), "no space left") {
			t.Errorf("the reason is not told: %v\n%s", s.err, s.stderr.String())
		}
		t.Logf("the server ended: %v", s.err)
	} else {
		s.directories(t)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if !s.dead() {
		s.awaitRoom(t)
	}
	s.kill()
	finish()
	s = start(t, data, "")
	checkAll(t, s, data, histories, &told)
	checkAudit(t, data, told, "ServiceException")
	if got := titleOf(t, s.administrator(t)); got != title {
		t.Errorf("after a restart the title is %q, and the last one acknowledged was %q", got, title)
	}
}

// await returns when many resets have been refused, or the server is dead.
func (c *tally) await(t *testing.T, s *server) {
	t.Helper()
	enough := c.count(http.StatusInternalServerError) + 20
	for deadline := time.Now().Add(patience); c.count(http.StatusInternalServerError) < enough && !s.dead(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no reset is refused on a full disk\n%s", s.stderr.String())
		}
	}
}

// awaitRoom returns when a reset is made.
func (s *server) awaitRoom(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		again := &history{user: "once0"}
		a := &attempt{agent: "fault/room", password: "Room-again-" + time.Now().Format("150405.000000")}
		if _, err := again.reset(t.Context(), s, http.DefaultClient, a); err == nil && a.acked {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("with space again there is no reset\n%s", s.stderr.String())
		}
	}
}

func titleOf(t *testing.T, admin *ldap.Conn) string {
	t.Helper()
	found, err := admin.Search(ldap.NewSearchRequest("CN=stream0,CN=Users,"+baseDN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"title"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	return found.Entries[0].GetAttributeValue("title")
}

// retitle changes an attribute through LDAP many times, and answers with how often it could, and the last value.
func (s *server) retitle(t *testing.T, admin *ldap.Conn) (written int, last string) {
	t.Helper()
	for range 50 {
		title := "Title " + time.Now().Format("150405.000000")
		request := ldap.NewModifyRequest("CN=stream0,CN=Users,"+baseDN, nil)
		request.Replace("title", []string{title})
		err := admin.Modify(request)
		switch {
		case err == nil:
			written, last = written+1, title
		case s.dead() || ldap.IsErrorWithCode(err, ldap.ErrorNetwork):
			t.Fatalf("%v: the server is gone: %s", err, s.stderr.String())
		}
	}
	return written, last
}

// TestStartOnFullDisk: on a disk that is nearly full a server starts, for reads and logins. One that can't start says why,
// and starts when there is space.
func TestStartOnFullDisk(t *testing.T) {
	disk := smallDisk(t)
	data := filepath.Join(disk, "data")
	s := start(t, data, writeSeed(t, 1))
	s.must(t, "ResetUserPassword", resetOf("stream0", "Before-it-was-full-1"), nil)
	s.kill()
	filler := filepath.Join(disk, "filler")
	fill(t, filler, 32<<20)
	s = start(t, data, "")
	s.directories(t)
	if code := s.login(t, `FAULT\stream0`, "Before-it-was-full-1"); code != "" {
		t.Errorf("a login on a disk that is nearly full: %s", code)
	}
	if status, body, err := s.call(t.Context(), http.DefaultClient, "ResetUserPassword", "fault", resetOf("stream0", "While-it-is-full-1")); err != nil || status != http.StatusInternalServerError {
		t.Errorf("a reset on a disk that is nearly full: %d %s %v", status, body, err)
	}
	s.kill()
	fill(t, filler, 0)
	if s, err := try(t, data, ""); err == nil {
		s.directories(t)
		s.kill()
	} else if !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the reason is not told: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s = start(t, data, "")
	if code := s.login(t, `FAULT\stream0`, "Before-it-was-full-1"); code != "" {
		t.Errorf("the acknowledged password: %s", code)
	}
	s.must(t, "ResetUserPassword", resetOf("stream0", "There-is-room-again-1"), nil)
}
