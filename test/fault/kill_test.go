package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	shortKills  = 8
	longestLife = 400 * time.Millisecond
)

// kills is how often the server is killed: a few times, or as LATCHKEY_FAULT_KILLS says.
func kills(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("LATCHKEY_FAULT_KILLS"))
	if err != nil || n < 1 {
		return shortKills
	}
	return n
}

func randomly(longest time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(longest))) }

// TestKill kills the server at random moments under a stream of resets. What was acknowledged holds after the restart,
// nothing is half done, and the audit trail agrees.
func TestKill(t *testing.T) {
	rounds := kills(t)
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, writeSeed(t, rounds))
	histories := newHistories()
	var told []*attempt
	done, undone := 0, 0
	for round := range rounds {
		once := &history{user: fmt.Sprintf("once%d", round)}
		seeded := look(t, s.administrator(t), once.user)
		finish := s.load(t, fmt.Sprint(round), histories, false, patience, lost)
		life := randomly(longestLife)
		time.Sleep(life * 9 / 10)
		var single sync.WaitGroup
		single.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			a := &attempt{agent: fmt.Sprintf("fault/once/%d", round), password: fmt.Sprintf("Once-upon-%d-a", round)}
			if status, err := once.reset(context.WithoutCancel(t.Context()), s, client, a); !a.acked && !lost(status, err) {
				t.Errorf("%s: %d, %v", a.agent, status, err)
			}
		})
		time.Sleep(randomly(life/10 + 10*time.Millisecond))
		s.kill()
		finish()
		single.Wait()

		s = start(t, data, "")
		if once.check1(t, s, data, seeded) {
			done++
		} else {
			undone++
		}
		told = append(told, once.attempts...)
		checkAll(t, s, data, histories, &told)
	}
	checkAudit(t, data, told)
	t.Logf("of %d disabled users who were reset at the end, %d are enabled and %d as before", rounds, done, undone)
	s.stop(t)
}

// check1: a disabled user who was being reset is disabled, with the old password and the old pwdLastSet, or enabled, with
// the new ones.
func (h *history) check1(t *testing.T, s *server, data string, seeded account) (done bool) {
	t.Helper()
	a := h.attempts[0]
	name := `FAULT\` + h.user
	before, after := s.login(t, name, firstPassword), s.login(t, name, a.password)
	now := look(t, s.administrator(t), h.user)
	said := audit(t, data)[a.agent]
	done = before == "52e" && after == "" && !now.disabled && now.set.After(a.begun.Add(-time.Microsecond))
	undone := before == "533" && after == "52e" && now == seeded
	switch {
	case !done && !undone:
		t.Errorf("%s is half reset: the old password gives %q, the new one %q, and the account is %+v, once %+v", name, before, after, now, seeded)
	case a.acked && undone:
		t.Errorf("%s: the reset was acknowledged and is lost", name)
	case undone && len(said) == 1 && said[0].ErrorCode == "":
		t.Errorf("%s: the audit trail tells of a success that did not happen", name)
	case done && len(said) == 0:
		t.Errorf("%s: the reset happened and the audit trail does not know of it", name)
	}
	return done
}

// TestKillStart kills the server while it starts for the first time and makes what the seed says. It starts again without
// help, and then everything is there.
func TestKillStart(t *testing.T) {
	for round := range max(1, kills(t)/4) {
		data := filepath.Join(t.TempDir(), "data")
		seed := writeSeed(t, 20)
		ready := 0
		for range 4 {
			s, lines := launch(t, data, seed)
			time.Sleep(randomly(longestLife / 2))
			s.kill()
			one := make([]byte, 1)
			if n, _ := lines.Read(one); n > 0 {
				ready++
			}
			if said := s.stderr.String(); said != "" {
				t.Logf("round %d: %s", round, said)
			}
		}
		s := start(t, data, seed)
		for i := range streams {
			if code := s.login(t, fmt.Sprintf(`FAULT\stream%d`, i), firstPassword); code != "" {
				t.Errorf("stream%d: %s", i, code)
			}
		}
		admin := s.administrator(t)
		for i := range 20 {
			if user := look(t, admin, fmt.Sprintf("once%d", i)); !user.disabled {
				t.Errorf("once%d is not disabled", i)
			}
		}
		s.must(t, "ResetUserPassword", resetOf("once0", "Once-upon-a-start"), nil)
		if code := s.login(t, `FAULT\once0`, "Once-upon-a-start"); code != "" {
			t.Errorf("after a reset: %s", code)
		}
		s.stop(t)
		t.Logf("round %d: %d of 4 starts were ready when they were killed", round, ready)
	}
}
