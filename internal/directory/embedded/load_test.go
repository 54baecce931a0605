package embedded

import (
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	e := &Engine{gate: newGate(1, 7)}
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
}
