package embedded

import (
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

func TestLoad(t *testing.T) {
	var told []string
	e := &Engine{gate: newGate(1, 7), TurnedAway: func(limit string) { told = append(told, limit) }}
	if err := e.gate.enter(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	entered := make(chan error, 1)
	go func() { entered <- e.gate.enter(t.Context(), reset) }()
	want := Load{Deriving: 1, Slots: 1, Resets: 1, Waiting: 7}
	for deadline := time.Now().Add(time.Minute); e.Load() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v, want %+v", e.Load(), want)
		}
	}
	e.gate.leave()
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	e.gate.leave()
	if got := e.Load(); got != (Load{Slots: 1, Waiting: 7}) {
		t.Errorf("%+v", got)
	}
	if len(told) > 0 {
		t.Errorf("told of %q", told)
	}
	e.gate = newGate(0, 0)
	for u, want := range map[urgency]string{login: WaitingLogins, reset: WaitingResets} {
		told = nil
		if _, err := e.derive(t.Context(), u, []byte("x"), ""); !ldap.IsErrorWithCode(err, ldap.LDAPResultBusy) || !slices.Equal(told, []string{want}) {
			t.Errorf("%v, told of %q, want %s", err, told, want)
		}
	}
}
