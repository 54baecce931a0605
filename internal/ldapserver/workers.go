package ldapserver

import "sync/atomic"

// mostIdle is how many goroutines wait for the next operation.
const mostIdle = 64

// workers are goroutines that carry out one operation after another: a new one for each would have to grow its stack each time.
type workers struct {
	next chan func()
	idle atomic.Int32
	end  <-chan struct{}
}

// run begins work at once, beside everything else.
func (w *workers) run(work func()) {
	select {
	case w.next <- work:
	default:
		go w.carryOut(work)
	}
}

func (w *workers) carryOut(work func()) {
	for {
		work()
		work = nil // what it held may go
		if w.idle.Add(1) > mostIdle {
			w.idle.Add(-1)
			return
		}
		select {
		case work = <-w.next:
			w.idle.Add(-1)
		case <-w.end:
			return
		}
	}
}
