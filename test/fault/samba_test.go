package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"latchkey/internal/directory/directorytest"

	"github.com/go-ldap/ldap/v3"
)

const shortSambaKills = 3

// sambaWorld is a server whose directory is on Samba. Its clients log in to the domain controller itself.
type sambaWorld struct {
	*server
	data    string
	address string
}

// startSamba starts a server that runs a domain controller at the address; seed is "" for one that is there already.
func startSamba(t *testing.T, data, seed, address string) *sambaWorld {
	t.Helper()
	w := &sambaWorld{start(t, data, seed, "--samba-address", address, "--samba-controllers", "1"), data, address}
	w.LDAPS = "ldaps://" + address
	t.Cleanup(func() { endControllers(data) })
	return w
}

// controllerPID is the first process of the domain controller, 0 while there is none.
func controllerPID(data string) int {
	return processOf(filepath.Join(data, "samba", directoryID, "dc1"))
}

func processOf(folder string) int {
	text, err := os.ReadFile(filepath.Join(folder, "process.json"))
	if err != nil {
		return 0
	}
	var process struct{ PID int }
	if json.Unmarshal(text, &process) != nil {
		return 0
	}
	return process.PID
}

// group is the processes of the domain controller.
func group(data string) []int {
	leader := controllerPID(data)
	entries, err := os.ReadDir("/proc")
	if leader == 0 || err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if pgid, err := syscall.Getpgid(pid); err == nil && pgid == leader {
			pids = append(pids, pid)
		}
	}
	return pids
}

// freeze stops those processes, and answers with them. One that starts another may not have been stopped yet.
func freeze(t *testing.T, data string) (pids []int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		pids = group(data)
		all := true
		for _, pid := range pids {
			text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
			if _, state, _ := strings.Cut(string(text), ") "); !strings.HasPrefix(state, "T") && !strings.HasPrefix(state, "Z") {
				all = false
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
		if all && len(pids) > 0 {
			return pids
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes %v do not stop", pids)
		}
	}
}

// endControllers is for a test that failed: a server that was killed leaves its domain controller running.
func endControllers(data string) {
	for _, pid := range group(data) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// active waits until the directory is.
func (w *sambaWorld) active(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		d := w.directories(t)[directoryID]
		if d.Stage == "Active" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the directory is %s\n%s", d.Stage, w.stderr.String())
		}
	}
}

// replaced waits until another process is the domain controller, and answers.
func (w *sambaWorld) replaced(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if controllerPID(w.data) != before {
			if conn, err := net.Dial("tcp", w.address+":636"); err == nil {
				_ = conn.Close()
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no other domain controller runs\n%s", w.stderr.String())
		}
	}
}

// withoutController allows what is to be expected while a domain controller is gone.
func withoutController(status int, err error) bool {
	return lost(status, err) || status == http.StatusBadRequest
}

// TestKillSamba kills, under a stream of resets, the server, its domain controller, or both. What was acknowledged holds, the
// audit trail agrees, and everything goes on by itself.
func TestKillSamba(t *testing.T) {
	rounds := shortSambaKills
	if n, err := strconv.Atoi(os.Getenv("LATCHKEY_FAULT_KILLS")); err == nil && n > 0 {
		rounds = n
	}
	data := directorytest.SambaFolder(t)
	const address = "127.83.0.1"
	w := startSamba(t, data, writeSeedOn(t, "samba", 0), address)
	histories := newHistories()
	var told []*attempt
	for round := range rounds {
		finish := w.load(t, fmt.Sprintf("s%d", round), histories, true, patience, withoutController)
		time.Sleep(time.Second + randomly(time.Second))
		before := controllerPID(data)
		if round%3 != 0 {
			if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 != 1 {
			w.kill()
			finish()
			w = startSamba(t, data, "", address)
		}
		if round%3 != 0 {
			w.replaced(t, before)
		}
		w.active(t)
		if after := controllerPID(data); round%3 == 0 && after != before {
			t.Errorf("the domain controller was process %d and is %d: it was not taken over", before, after)
		}
		time.Sleep(randomly(500 * time.Millisecond))
		finish()
		checkAll(t, w.server, data, histories, &told)
	}
	checkAudit(t, data, told, "DirectoryUnavailableException")
	w.stop(t)
	if left := group(data); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
}

// answerOf is the exception of one reset, "" for a success, and how long it took.
func (w *sambaWorld) answerOf(t *testing.T, user, password string) (exception string, took time.Duration) {
	t.Helper()
	return w.answer(t, resetOf(user, password))
}

func (w *sambaWorld) answer(t *testing.T, input map[string]string) (exception string, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begun := time.Now()
	status, body, err := w.call(ctx, http.DefaultClient, "ResetUserPassword", "fault/"+input["NewPassword"], input)
	if err != nil {
		t.Fatal(err)
	}
	if status == http.StatusOK {
		return "", time.Since(begun)
	}
	var fault struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(body, &fault); err != nil {
		t.Fatalf("%d %s", status, body)
	}
	return fault.Type[strings.LastIndexByte(fault.Type, '#')+1:], time.Since(begun)
}

// TestHungController stops a domain controller without ending it. Calls are answered within their deadline, honestly, and
// resets work again as soon as it goes on.
func TestHungController(t *testing.T) {
	data := directorytest.SambaFolder(t)
	w := startSamba(t, data, writeSeedOn(t, "samba", 0), "127.83.0.2")
	if exception, _ := w.answerOf(t, "stream0", "Storm-Wind-before"); exception != "" {
		t.Fatal(exception)
	}
	pids := freeze(t, data)
	exception, took := w.answerOf(t, "stream0", "Storm-Wind-while")
	if exception != "DirectoryUnavailableException" {
		t.Errorf("while it hangs: %q", exception)
	}
	t.Logf("answered after %s", took)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		exception, _ := w.answerOf(t, "stream0", "Storm-Wind-after")
		if exception == "" {
			break
		}
		if exception != "DirectoryUnavailableException" || time.Now().After(deadline) {
			t.Fatalf("when it goes on: %s", exception)
		}
	}
	if code := w.login(t, `FAULT\stream0`, "Storm-Wind-after"); code != "" {
		t.Errorf("the new password: %s", code)
	}
	w.active(t)
	said := audit(t, data)
	if e := said["fault/Storm-Wind-while"]; len(e) != 1 || e[0].ErrorCode != "DirectoryUnavailableException" && e[0].ErrorCode != unknown {
		t.Errorf("the audit trail says %v", e)
	}
	w.stop(t)
}

// TestFullDiskOfController fills the disk that the domain controller writes to, under a stream of resets. Samba goes on for as
// long as its databases have room inside. What was acknowledged holds, what is refused changes nothing, and with room resets
// work again.
func TestFullDiskOfController(t *testing.T) {
	data := directorytest.SambaFolder(t)
	mount(t, filepath.Join(data, "samba"), "300m")
	w := startSamba(t, data, writeSeedOn(t, "samba", 0), "127.83.0.3")
	histories := newHistories()
	finish := w.load(t, "full", histories, true, patience, withoutController)
	time.Sleep(time.Second)
	filler := filepath.Join(data, "samba", "filler")
	admin := w.administrator(t)
	fill(t, filler, 0)
	// Objects make the databases grow until they can't.
	refused := error(nil)
	for i := 0; refused == nil && i < 1000; i++ {
		request := ldap.NewAddRequest(fmt.Sprintf("CN=grow%d,CN=Users,%s", i, baseDN), nil)
		request.Attribute("objectClass", []string{"contact"})
		request.Attribute("description", []string{strings.Repeat("grow ", 200)})
		refused = admin.Add(request)
	}
	if refused == nil {
		t.Error("the disk was not full")
	}
	t.Logf("on the full disk: %v", refused)
	time.Sleep(time.Second)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	w.active(t)
	finish()
	var told []*attempt
	checkAll(t, w.server, data, histories, &told)
	checkAudit(t, data, told, "DirectoryUnavailableException", "ServiceException")
	w.recovers(t, "stream0", "Storm-Wind-after")
	w.stop(t)
}
