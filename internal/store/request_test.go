package store

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRequests(t *testing.T) {
	dir := t.TempDir()
	open := func() *Store {
		s, err := Open(t.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	r := s.Requests(clock)
	begin := func(token, digest string) (Claim, error) {
		t.Helper()
		return r.Begin(t.Context(), token, []byte(digest))
	}
	must := func(claim Claim, err error) Claim {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return claim
	}
	want := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}

	first := must(begin("a", "one"))
	if first.Done {
		t.Error("done before it was begun")
	}
	_, err := begin("a", "one")
	want(err, ErrUnderWay)
	_, err = begin("a", "two")
	want(err, ErrOtherRequest)
	want(r.End(t.Context(), first, []byte("answer")), nil)

	// Another server, and this one after a restart.
	r = s.Requests(clock)
	again := must(begin("a", "one"))
	if !again.Done || string(again.Answer) != "answer" {
		t.Errorf("got %+v", again)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	r = s.Requests(clock)
	now = now.Add(requestLife - time.Second)
	if again := must(begin("a", "one")); string(again.Answer) != "answer" {
		t.Errorf("after the restart: %+v", again)
	}
	_, err = begin("a", "two")
	want(err, ErrOtherRequest)
	// The success just now has renewed it.
	now = now.Add(requestLife - time.Second)
	if again := must(begin("a", "one")); !again.Done {
		t.Error("it was not renewed")
	}
	now = now.Add(requestLife + time.Second)
	fresh := must(begin("a", "two"))
	if fresh.Done {
		t.Error("a token is new after its life")
	}

	// One that failed, and one that was given up.
	want(r.Drop(t.Context(), fresh), nil)
	given := must(begin("a", "three"))
	now = now.Add(requestTime + time.Second)
	must(begin("a", "four"))
	want(r.End(t.Context(), given, nil), ErrConflict)
}

func TestRequestsAtOnce(t *testing.T) {
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var won atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		r := s.Requests(time.Now)
		group.Go(func() {
			switch claim, err := r.Begin(t.Context(), "token", []byte("digest")); {
			case err == nil && !claim.Done:
				won.Add(1)
			case !errors.Is(err, ErrUnderWay):
				t.Errorf("got %+v, %v", claim, err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
}
