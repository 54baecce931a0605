package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	directoryID = "d-00000000f1"
	streams     = 6 // users that are reset all the time; the first two by two clients each
	shortKills  = 8
	longestLife = 400 * time.Millisecond
)

func kills(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("LATCHKEY_FAULT_KILLS"))
	if err != nil || n < 1 {
		return shortKills
	}
	return n
}

// attempt is one reset that was sent.
type attempt struct {
	agent    string
	password string
	begun    time.Time
	ended    time.Time
	acked    bool
}

// history is every reset of one user, in the order of their beginning.
type history struct {
	mu       sync.Mutex
	attempts []*attempt
}

func (h *history) begin(a *attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.begun = time.Now()
	h.attempts = append(h.attempts, a)
}

func (h *history) end(a *attempt, acked bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.ended, a.acked = time.Now(), acked
}

// possible is what may be in force: every reset that no acknowledged one followed for certain. sure says that one of them
// must be, because at least one was acknowledged.
func (h *history) possible() (passwords []*attempt, sure bool) {
	for _, a := range h.attempts {
		overtaken := false
		for _, b := range h.attempts {
			overtaken = overtaken || b.acked && a != b && !a.ended.IsZero() && b.begun.After(a.ended)
		}
		if !overtaken {
			passwords = append(passwords, a)
		}
		sure = sure || a.acked
	}
	return passwords, sure
}

// TestKill kills the server at random moments under a stream of resets. What was acknowledged holds after the restart,
// nothing is half done, and the audit trail agrees.
func TestKill(t *testing.T) {
	rounds := kills(t)
	data := filepath.Join(t.TempDir(), "data")
	seed := writeSeed(t, rounds)
	s := start(t, data, seed)
	histories := make([]*history, streams)
	for i := range histories {
		histories[i] = &history{}
	}
	var all []*attempt
	for round := range rounds {
		once := &attempt{agent: fmt.Sprintf("fault/once/%d", round), password: fmt.Sprintf("Once-upon-%d-a", round)}
		s.storm(t, round, histories, once)
		s = start(t, data, "")
		events := audit(t, data)
		for i, h := range histories {
			s.checkStream(t, fmt.Sprintf("stream%d", i), h, events)
			all = append(all, slices.DeleteFunc(slices.Clone(h.attempts), func(a *attempt) bool { return a.agent == "" })...)
			h.attempts = h.settled(s, t, fmt.Sprintf("stream%d", i))
		}
		s.checkOnce(t, round, once, events)
		all = append(all, once)
		if t.Failed() {
			t.Fatalf("round %d of %d\n%s", round, rounds, s.stderr.String())
		}
	}
	checkAudit(t, data, all)
	if err := s.stop(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// settled keeps the one password that is in force, for the next round, as an attempt without an agent.
func (h *history) settled(s *server, t *testing.T, user string) []*attempt {
	t.Helper()
	candidates, _ := h.possible()
	for _, a := range candidates {
		if s.login(t, `FAULT\`+user, a.password) == "" {
			return []*attempt{{password: a.password, begun: a.begun, ended: a.begun, acked: true}}
		}
	}
	return nil
}

// storm lets clients reset until the server dies at a random moment.
func (s *server) storm(t *testing.T, round int, histories []*history, once *attempt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var clients sync.WaitGroup
	dead := make(chan struct{})
	send := func(client *http.Client, user string, h *history, a *attempt) bool {
		h.begin(a)
		status, body, err := s.call(ctx, client, "ResetUserPassword", a.agent, map[string]string{"DirectoryId": directoryID, "UserName": user, "NewPassword": a.password})
		acked := err == nil && status == http.StatusOK
		h.end(a, acked)
		if err == nil && !acked && status != http.StatusInternalServerError {
			t.Errorf("%s: %d %s", user, status, body)
		}
		return acked
	}
	for i, h := range histories {
		writers := 1
		if i < 2 {
			writers = 2
		}
		for w := range writers {
			clients.Go(func() {
				client := &http.Client{}
				defer client.CloseIdleConnections()
				for n := 0; ; n++ {
					id := fmt.Sprintf("%d-%d-%d-%d", round, i, w, n)
					if !send(client, fmt.Sprintf("stream%d", i), h, &attempt{agent: "fault/" + id, password: "Storm-Wind-" + id}) {
						return
					}
					select {
					case <-dead:
						return
					default:
					}
				}
			})
		}
	}
	life := time.Duration(rand.Int64N(int64(longestLife)))
	time.Sleep(life * 9 / 10)
	clients.Go(func() {
		client := &http.Client{}
		defer client.CloseIdleConnections()
		send(client, fmt.Sprintf("once%d", round), &history{}, once)
	})
	time.Sleep(life / 10 / time.Duration(1+rand.IntN(10)))
	s.kill()
	close(dead)
	clients.Wait()
}

// checkStream: one of the passwords that may be in force is, and no other of them.
func (s *server) checkStream(t *testing.T, user string, h *history, events map[string][]event) {
	t.Helper()
	candidates, sure := h.possible()
	working := 0
	for _, a := range candidates {
		if s.login(t, `FAULT\`+user, a.password) == "" {
			working++
		} else if said := events[a.agent]; len(said) == 1 && said[0].ErrorCode == "" && len(candidates) == 1 {
			t.Errorf("%s: the audit trail has %s as a success, and its password does not work", user, a.agent)
		}
	}
	first := s.login(t, `FAULT\`+user, firstPassword) == ""
	if sure && (working != 1 || first) || !sure && working > 1 {
		t.Errorf("%s: %d of %d passwords that may be in force work (an acknowledged one: %t; the first one works: %t)", user, working, len(candidates), sure, first)
	}
	// Of those that were certainly overtaken, the newest must not work.
	for i := len(h.attempts) - 1; i >= 0; i-- {
		overtaken := true
		for _, a := range candidates {
			overtaken = overtaken && a != h.attempts[i]
		}
		if overtaken {
			if s.login(t, `FAULT\`+user, h.attempts[i].password) == "" {
				t.Errorf("%s: a password that was overtaken works", user)
			}
			break
		}
	}
}

// checkOnce: a disabled user who was being reset is disabled and has the old password, or is enabled and has the new one.
func (s *server) checkOnce(t *testing.T, round int, a *attempt, events map[string][]event) {
	t.Helper()
	name := fmt.Sprintf(`FAULT\once%d`, round)
	before, after := s.login(t, name, firstPassword), s.login(t, name, a.password)
	done := before == "52e" && after == ""
	undone := before == "533" && after == "52e"
	said := events[a.agent]
	switch {
	case !done && !undone:
		t.Errorf("%s is half reset: the old password gives %q, the new one %q", name, before, after)
	case a.acked && undone:
		t.Errorf("%s: the reset was acknowledged and is lost", name)
	case undone && len(said) == 1 && said[0].ErrorCode == "":
		t.Errorf("%s: the audit trail tells of a success that did not happen", name)
	case done && len(said) == 0:
		t.Errorf("%s: the reset happened and the audit trail does not know of it", name)
	}
}

// checkAudit: each acknowledged reset is told once, as a success; any other at most once, as a success or as unknown.
func checkAudit(t *testing.T, data string, all []*attempt) {
	t.Helper()
	events := audit(t, data)
	acked, unknown := 0, 0
	for _, a := range all {
		said := events[a.agent]
		switch {
		case a.acked && (len(said) != 1 || said[0].ErrorCode != ""):
			t.Errorf("%s was acknowledged, and the audit trail says %v", a.agent, said)
		case !a.acked && len(said) > 1, !a.acked && len(said) == 1 && said[0].ErrorCode != "" && said[0].ErrorCode != "OutcomeUnknown":
			t.Errorf("%s was not acknowledged, and the audit trail says %v", a.agent, said)
		}
		if a.acked {
			acked++
		}
		if len(said) == 1 && said[0].ErrorCode != "" {
			unknown++
		}
	}
	t.Logf("%d resets were sent, %d acknowledged, of %d nobody knows", len(all), acked, unknown)
	if acked == 0 {
		t.Error("no reset was acknowledged: the test has tested nothing")
	}
}

func writeSeed(t *testing.T, rounds int) string {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "directories:\n  - id: %s\n    type: SimpleAD\n    name: fault.example.com\n    password: %s\n    users:\n", directoryID, adminPassword)
	for i := range streams {
		fmt.Fprintf(&text, "      - {name: stream%d, password: %s}\n", i, firstPassword)
	}
	for i := range rounds {
		fmt.Fprintf(&text, "      - {name: once%d, displayName: B%d, password: %s, disabled: true}\n", i, i, firstPassword)
	}
	path := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
