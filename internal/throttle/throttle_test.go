package throttle

import (
	"fmt"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Rate{"": {}, "10:20": {10, 20}, "0.1:5": {0.1, 5}} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"10", "10:", ":5", "0:5", "-1:5", "NaN:5", "1:0", "1:1.5", "1e9:5", "1:10000000", "10:20:30", "x:y", "+Inf:1"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestBuckets(t *testing.T) {
	if ok, _ := New(Rate{}).Take("any", time.Now()); !ok {
		t.Error("no bound bounds")
	}
	b := New(Rate{PerSecond: 2, Burst: 3})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	count := func(name string, calls int) (taken, told int) {
		for range calls {
			ok, first := b.Take(name, at)
			if ok {
				taken++
			}
			if first {
				told++
			}
		}
		return taken, told
	}
	if taken, told := count("jane", 10); taken != 3 || told != 1 {
		t.Errorf("at once: %d taken, told %d times", taken, told)
	}
	if taken, _ := count("kim", 10); taken != 3 {
		t.Errorf("another one: %d", taken)
	}
	if !b.Spent("jane", at) || b.Spent("lee", at) {
		t.Error("who has spent all is not known")
	}
	at = at.Add(500 * time.Millisecond)
	if b.Spent("jane", at) {
		t.Error("half a second later she has spent all still")
	}
	if taken, told := count("jane", 10); taken != 1 || told != 0 {
		t.Errorf("half a second later: %d, told %d times", taken, told)
	}
	at = at.Add(time.Second)
	if taken, told := count("jane", 10); taken != 2 || told != 1 {
		t.Errorf("a second later: %d, told %d times", taken, told)
	}
}

func TestManyNames(t *testing.T) {
	b := New(Rate{PerSecond: 1, Burst: 1})
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 5 * maxBuckets {
		b.Take(fmt.Sprint(i), at)
		// One that goes on calling is not forgotten.
		if ok, _ := b.Take("busy", at); ok && i > 0 {
			t.Fatalf("after %d names it may call again", i)
		}
	}
	if n := len(b.young) + len(b.aged); n > 2*maxBuckets {
		t.Errorf("%d buckets", n)
	}
}
