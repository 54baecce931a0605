package fault

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	directoryID = "d-00000000f1"
	domainName  = "fault.example.com"
	baseDN      = "DC=fault,DC=example,DC=com"
	streams     = 6 // users that are reset all the time; the first two by two clients each
	unknown     = "OutcomeUnknown"
)

// attempt is one reset that was sent. Its password is its own.
type attempt struct {
	agent    string // "" when it was checked against the audit trail before
	password string
	begun    time.Time
	ended    time.Time
	acked    bool
}

// history is every reset of one user, in the order of their beginning.
type history struct {
	user     string
	mu       sync.Mutex
	attempts []*attempt
}

func newHistories() []*history {
	all := make([]*history, streams)
	for i := range all {
		all[i] = &history{user: fmt.Sprintf("stream%d", i)}
	}
	return all
}

// reset sends one and notes what came of it.
func (h *history) reset(ctx context.Context, s *server, client *http.Client, a *attempt) (status int, err error) {
	h.mu.Lock()
	a.begun = time.Now()
	h.attempts = append(h.attempts, a)
	h.mu.Unlock()
	status, _, err = s.call(ctx, client, "ResetUserPassword", a.agent, resetOf(h.user, a.password))
	h.mu.Lock()
	defer h.mu.Unlock()
	a.ended, a.acked = time.Now(), err == nil && status == http.StatusOK
	return status, err
}

// possible is what may be in force: every reset that no later one followed for certain. sure says that one of them must
// be, because at least one was acknowledged. A reset without an answer may happen at any later time.
func (h *history) possible() (candidates []*attempt, sure bool) {
	for _, a := range h.attempts {
		overtaken := false
		for _, b := range h.attempts {
			overtaken = overtaken || a.acked && b.acked && b.begun.After(a.ended)
		}
		if !overtaken {
			candidates = append(candidates, a)
		}
		sure = sure || a.acked
	}
	return candidates, sure
}

// load keeps resetting every history's user until the returned function is called, which waits for the last answers.
// allowed says which failures are to be expected; another one fails the test. After a failure a client gives up, or with
// persist goes on.
func (s *server) load(t *testing.T, label string, histories []*history, persist bool, timeout time.Duration, allowed func(status int, err error) bool) (finish func()) {
	t.Helper()
	var clients sync.WaitGroup
	stopped := make(chan struct{})
	for i, h := range histories {
		writers := 1
		if i < 2 {
			writers = 2
		}
		for w := range writers {
			clients.Go(func() {
				client := &http.Client{Transport: &http.Transport{}, Timeout: timeout}
				defer client.CloseIdleConnections()
				for n := 0; ; n++ {
					select {
					case <-stopped:
						return
					default:
					}
					id := fmt.Sprintf("%s-%d-%d-%d", label, i, w, n)
					a := &attempt{agent: "fault/" + id, password: "Storm-Wind-" + id}
					status, err := h.reset(context.WithoutCancel(t.Context()), s, client, a)
					if a.acked {
						continue
					}
					if !allowed(status, err) {
						t.Errorf("%s: %s: %d, %v", h.user, a.agent, status, err)
					}
					if !persist {
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	return sync.OnceFunc(func() {
		close(stopped)
		clients.Wait()
	})
}

// nothing allows no failure.
func nothing(int, error) bool { return false }

// lost allows a connection that broke, and an answer that something of ours failed.
func lost(status int, err error) bool { return err != nil || status == http.StatusInternalServerError }

// check holds a user against the history: exactly one password works, it is one that may be in force, pwdLastSet tells
// when it came, and the audit trail agrees. The attempts it has checked are added to told; the history goes on from the
// one in force.
func (h *history) check(t *testing.T, s *server, admin *ldap.Conn, events map[string][]event, told *[]*attempt) {
	t.Helper()
	name := "FAULT\\" + h.user
	candidates, sure := h.possible()
	var working []*attempt
	for _, a := range candidates {
		if s.login(t, name, a.password) == "" {
			working = append(working, a)
		}
	}
	first := s.login(t, name, firstPassword) == ""
	if sure && (len(working) != 1 || first) || !sure && (len(working) > 1 || (len(working) == 1) == first) {
		t.Errorf("%s: %d of %d passwords that may be in force work (one was acknowledged: %t; the first one works: %t)", h.user, len(working), len(candidates), sure, first)
	}
	h.checkOvertaken(t, s, candidates)
	for _, a := range h.attempts {
		if a.agent != "" {
			*told = append(*told, a)
		}
	}
	if len(working) != 1 {
		h.attempts = nil
		return
	}
	force := working[0]
	set := look(t, admin, h.user).set
	if set.Before(force.begun.Add(-time.Microsecond)) || force.acked && set.After(force.ended) {
		t.Errorf("%s: pwdLastSet is %v, and the password in force was set from %v to %v", h.user, set, force.begun, force.ended)
	}
	if said := events[force.agent]; force.agent != "" && (len(said) != 1 || said[0].ErrorCode != "" && said[0].ErrorCode != unknown) {
		t.Errorf("%s: %s is in force, and the audit trail says %v", h.user, force.agent, said)
	}
	for _, a := range h.attempts {
		said := events[a.agent]
		if a != force && a.agent != "" && len(said) > 0 && said[0].ErrorCode == "" && force.acked && a.begun.After(force.ended) {
			t.Errorf("%s: the audit trail has %s as a success, and an earlier password is in force", h.user, a.agent)
		}
	}
	h.attempts = []*attempt{{password: force.password, begun: force.begun, ended: time.Now(), acked: true}}
}

// checkOvertaken: of the passwords that were certainly overtaken, the newest must not work.
func (h *history) checkOvertaken(t *testing.T, s *server, candidates []*attempt) {
	t.Helper()
	possible := map[*attempt]bool{}
	for _, a := range candidates {
		possible[a] = true
	}
	for i := len(h.attempts) - 1; i >= 0; i-- {
		if a := h.attempts[i]; !possible[a] {
			if s.login(t, "FAULT\\"+h.user, a.password) == "" {
				t.Errorf("%s: a password that was overtaken works", h.user)
			}
			return
		}
	}
}

func checkAll(t *testing.T, s *server, data string, histories []*history, told *[]*attempt) {
	t.Helper()
	events := audit(t, data)
	admin := s.administrator(t)
	defer admin.Close()
	for _, h := range histories {
		h.check(t, s, admin, events, told)
	}
	if t.Failed() {
		t.Fatalf("the server said:\n%s", s.stderr.String())
	}
}

// checkAudit: each acknowledged reset is told once, as a success; any other at most once, as a success, as unknown or as
// one of the refusals.
func checkAudit(t *testing.T, data string, told []*attempt, refusals ...string) {
	t.Helper()
	events := audit(t, data)
	acknowledged := 0
	codes := map[string]int{}
	for _, a := range told {
		said := events[a.agent]
		if len(said) > 1 || a.acked && (len(said) == 0 || said[0].ErrorCode != "") {
			t.Errorf("%s (acknowledged: %t): the audit trail says %v", a.agent, a.acked, said)
			continue
		}
		if a.acked {
			acknowledged++
			continue
		}
		code := "nothing"
		if len(said) == 1 {
			code = said[0].ErrorCode
		}
		codes[code]++
		expected := code == "nothing" || code == "" || code == unknown
		for _, refusal := range refusals {
			expected = expected || code == refusal
		}
		if !expected {
			t.Errorf("%s was not acknowledged, and the audit trail says %v", a.agent, said)
		}
	}
	t.Logf("%d resets were sent, %d acknowledged; of the others the audit trail says %v", len(told), acknowledged, codes)
	if acknowledged == 0 {
		t.Error("no reset was acknowledged: the test has tested nothing")
	}
}

// writeSeed makes a directory with the users of newHistories, and disabled users once0, once1, …
func writeSeed(t *testing.T, disabled int) string { return writeSeedOn(t, "embedded", disabled) }

func writeSeedOn(t *testing.T, engine string, disabled int) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "directories:\n  - id: %s\n    type: SimpleAD\n    name: %s\n    engine: %s\n    password: %s\n    users:\n", directoryID, domainName, engine, adminPassword)
	for i := range streams {
		fmt.Fprintf(&text, "      - {name: stream%d, password: %s}\n", i, firstPassword)
	}
	for i := range disabled {
		fmt.Fprintf(&text, "      - {name: once%d, displayName: B%d, password: %s, disabled: true}\n", i, i, firstPassword)
	}
	path := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
