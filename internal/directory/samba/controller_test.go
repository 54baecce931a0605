package samba

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who waited for a domain controller finds it among those that the client asks.
func TestReadyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := false
		r := &running{now: time.Now, news: make(chan struct{}), changed: func() {
			time.Sleep(time.Second)
			told = true
		}}
		go r.set(process{}, true, "")
		synctest.Wait() // it works, and nobody knows yet
		if err := r.ready(t.Context()); err != nil {
			t.Error(err)
		}
		if !told {
			t.Error("it counts as ready before anybody was told")
		}
	})
}
