package fault

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recovers waits until resets work, and proves the password.
func (s *server) recovers(t *testing.T, user, password string) {
	t.Helper()
	w := &sambaWorld{server: s}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		exception, _ := w.answerOf(t, user, password)
		if exception == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("resets do not work again: %s\n%s", exception, s.stderr.String())
		}
	}
	if code := s.login(t, `FAULT\`+user, password); code != "" {
		t.Errorf("the password that was acknowledged: %s", code)
	}
}

// unavailable holds that a reset is refused in time, as the directory can't be asked.
func (s *server) unavailable(t *testing.T, user, password string) {
	t.Helper()
	w := &sambaWorld{server: s}
	exception, took := w.answerOf(t, user, password)
	if exception != "DirectoryUnavailableException" || took > 30*time.Second {
		t.Errorf("%q after %s\n%s", exception, took, s.stderr.String())
	}
	t.Logf("answered after %s", took)
}

// TestStranger: a domain that is attached with an account of few rights: what goes wrong with its domain controller gets the
// right exception, and passes without a restart.
func TestStranger(t *testing.T) {
	const near, address = "127.83.1.2", "127.83.1.1"
	d := newStranger(t, []string{address}, near)
	l := newLink(t, listen(t, net.JoinHostPort(near, "636")), net.JoinHostPort(address, "636"))
	s, data := d.attached(t, near)
	w := &sambaWorld{server: s}
	s.recovers(t, "stream0", "Storm-Wind-1st")
	if exception, _ := w.answerOf(t, "outsider", "Storm-Wind-out"); exception != "UnsupportedOperationException" {
		t.Errorf("outside the OU: %q", exception)
	}
	if code := s.login(t, `FAULT\outsider`, firstPassword); code != "" {
		t.Errorf("the outsider's password was changed: %s", code)
	}
	restart := func() {
		t.Helper()
		d.engine.Drop(d.domain.ID)
		if err := d.engine.Serve(t.Context(), d.domain, d.hosts); err != nil {
			t.Fatal(err)
		}
		var err error
		if d.conn, err = d.engine.Conn(d.domain.ID); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("gone", func(t *testing.T) {
		d.engine.Drop(d.domain.ID)
		s.unavailable(t, "stream0", "Storm-Wind-gone")
		restart()
		s.recovers(t, "stream0", "Storm-Wind-back")
	})
	t.Run("certificate expired", func(t *testing.T) {
		l.impersonate(d.expired(t, near))
		s.unavailable(t, "stream0", "Storm-Wind-expired")
		l.impersonate(nil)
		s.recovers(t, "stream0", "Storm-Wind-renewed")
	})
	t.Run("read-only", func(t *testing.T) {
		l.redirect(d.readOnly(t, near))
		s.unavailable(t, "stream0", "Storm-Wind-readonly")
		l.redirect(net.JoinHostPort(address, "636"))
		s.recovers(t, "stream0", "Storm-Wind-written")
	})
	t.Run("password of the account changed", func(t *testing.T) {
		d.set(t, serviceName, "Another-Oil-78")
		restart()
		s.unavailable(t, "stream0", "Storm-Wind-locked")
		d.write(t, "Another-Oil-78")
		s.recovers(t, "stream0", "Storm-Wind-rotated")
	})
	if t.Failed() {
		return
	}
	said := audit(t, data)
	for agent, code := range map[string]string{
		"Storm-Wind-1st": "", "Storm-Wind-out": "UnsupportedOperationException", "Storm-Wind-gone": "DirectoryUnavailableException",
		"Storm-Wind-expired": "DirectoryUnavailableException", "Storm-Wind-locked": "DirectoryUnavailableException",
		"Storm-Wind-readonly": "DirectoryUnavailableException",
	} {
		if e := said["fault/"+agent]; len(e) != 1 || e[0].ErrorCode != code {
			t.Errorf("%s: the audit trail says %v", agent, e)
		}
	}
	s.stop(t)
}

// searches is more bytes than the search for a user has on the wire.
const searches = 380

// TestCut cuts the network in the middle of a Modify, before it is at the domain controller and after. Nobody knows then whether
// it happened, and the answer and the audit trail say so.
func TestCut(t *testing.T) {
	const near, far, address = "198.18.83.1", "198.18.83.2", "127.83.2.1"
	n := newNetwork(t, near+"/30", far+"/30")
	d := newStranger(t, []string{address}, far)
	l := newLink(t, n.listen(t, net.JoinHostPort(far, "636")), net.JoinHostPort(address, "636"))
	s, data := d.attached(t, far)
	for _, c := range []struct {
		name    string
		arrives bool
	}{{"before", false}, {"after", true}} {
		t.Run(c.name, func(t *testing.T) {
			s.recovers(t, "stream0", "Storm-Wind-whole")
			// The Modify with a long password is larger than any search.
			long := ("Storm-Wind-" + strings.Repeat(c.name+"-", 25))[:126]
			cut := false
			l.mu.Lock()
			l.passes = func(piece []byte) bool {
				if cut || len(piece) <= searches {
					return !cut
				}
				cut = true
				n.set(t, "down")
				return c.arrives
			}
			l.mu.Unlock()
			s.unavailable(t, "stream0", long)
			l.mu.Lock()
			if !cut {
				t.Error("the network was not cut")
			}
			l.mu.Unlock()
			want := map[string]string{"Storm-Wind-whole": "", long: "52e"}
			if c.arrives {
				want = map[string]string{"Storm-Wind-whole": "52e", long: ""}
			}
			for password, code := range want {
				if got := s.login(t, `FAULT\stream0`, password); got != code {
					t.Errorf("%s: %q, want %q", password, got, code)
				}
			}
			l.restore()
			n.set(t, "up")
			s.recovers(t, "stream0", "Storm-Wind-mended")
			// What may have happened is not told as what did not.
			if e := audit(t, data)["fault/"+long]; len(e) != 1 || e[0].ErrorCode != unknown {
				t.Errorf("the audit trail says %v", e)
			}
		})
	}
	s.stop(t)
}

// TestFailover kills the preferred domain controller under load. Resets go on at the other one, and what was acknowledged is
// there once they have replicated.
func TestFailover(t *testing.T) {
	addresses := []string{"127.83.3.1", "127.83.3.2"}
	d := newStranger(t, addresses)
	d.replicated(t, addresses[1])
	s, data := d.attached(t, addresses...)
	s.recovers(t, "stream5", "Storm-Wind-before")
	s.LDAPS = "ldaps://" + addresses[1]
	begun := time.Now()
	kill(t, filepath.Join(d.dir, "dc", d.domain.ID, "dc1"))
	w := &sambaWorld{server: s}
	exception, _ := w.answerOf(t, "stream5", "Storm-Wind-during")
	if exception != "" {
		t.Errorf("while the preferred one is gone: %q", exception)
	}
	t.Logf("the first reset after the kill was acknowledged after %s", time.Since(begun))
	w.eventually(t, "stream5", "Storm-Wind-during")
	s.stop(t)
	if e := audit(t, data)["fault/Storm-Wind-during"]; len(e) != 1 || e[0].ErrorCode != exception {
		t.Errorf("the audit trail says %v", e)
	}
}

// eventually waits until the domain controller knows a password.
func (w *sambaWorld) eventually(t *testing.T, user, password string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); w.login(t, `FAULT\`+user, password) != ""; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: a password that was acknowledged does not work", user)
		}
	}
}

// kill ends a domain controller's first process; its children follow it.
func kill(t *testing.T, folder string) {
	t.Helper()
	pid := processOf(folder)
	process, err := os.FindProcess(pid)
	if pid == 0 || err != nil {
		t.Fatalf("%s: %d, %v", folder, pid, err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// TestTwoServersOneDomain: two servers reset the users of one domain at the same time. Of each user's passwords one is in force,
// and it is one that may be.
func TestTwoServersOneDomain(t *testing.T) {
	const address = "127.83.4.1"
	d := newStranger(t, []string{address})
	first, firstData := d.attached(t, address)
	second, secondData := d.attached(t, address)
	histories := newHistories()
	stops := []func(){
		first.load(t, "one", histories, true, patience, nothing),
		second.load(t, "two", histories, true, patience, nothing),
	}
	time.Sleep(4 * time.Second)
	for _, stop := range stops {
		stop()
	}
	events := audit(t, firstData)
	for agent, said := range audit(t, secondData) {
		events[agent] = append(events[agent], said...)
	}
	admin := first.administrator(t)
	var told []*attempt
	for _, h := range histories {
		h.check(t, first, admin, events, &told)
	}
	first.stop(t)
	second.stop(t)
}
