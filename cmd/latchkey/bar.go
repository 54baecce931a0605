package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	barWidth = 24
	// drawEvery is how often a terminal shows how far it is, and sayEvery anything else.
	drawEvery = 200 * time.Millisecond
	sayEvery  = 10 * time.Second
)

// bar shows how far something is: on a terminal a bar that grows, elsewhere a line from time to time.
type bar struct {
	w        io.Writer
	terminal bool
	total    int // 0 where nobody knows
	started  time.Time
	end      chan struct{}
	ended    sync.WaitGroup

	mu     sync.Mutex
	done   int // of this run
	before int // in an earlier one
	failed int
}

func newBar(w io.Writer, total int) *bar {
	b := &bar{w: w, terminal: isTerminal(w), total: total, started: time.Now(), end: make(chan struct{})}
	every := sayEvery
	if b.terminal {
		every = drawEvery
	}
	b.ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-b.end:
				return
			case <-tick.C:
				b.mu.Lock()
				b.draw()
				b.mu.Unlock()
			}
		}
	})
	return b
}

// count moves the bar on, and says what there is to say about it.
func (b *bar) count(done, before, failed int, said string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done, b.before, b.failed = b.done+done, b.before+before, b.failed+failed
	if said == "" {
		return
	}
	if b.terminal {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
	fmt.Fprintln(b.w, said)
}

func (b *bar) draw() {
	if b.terminal {
		fmt.Fprint(b.w, "\r"+b.line(time.Since(b.started))+"\x1b[K")
	} else {
		fmt.Fprintln(b.w, b.line(time.Since(b.started)))
	}
}

// line is 4,512 of 10,000 users, with what else is known of them.
func (b *bar) line(since time.Duration) string {
	at := b.done + b.before + b.failed
	line := counted(at, "user", "users")
	if b.total > 0 {
		line = grouped(at) + " of " + counted(b.total, "user", "users")
	}
	if b.failed > 0 {
		line += fmt.Sprintf(", %s failed", grouped(b.failed))
	}
	if rate := float64(b.done+b.failed) / since.Seconds(); rate >= 1 {
		line += fmt.Sprintf(", %s/s", grouped(int(rate)))
		if left := float64(b.total-at) / rate; left >= 1 {
			line += fmt.Sprintf(", %v left", time.Duration(left)*time.Second)
		}
	}
	if b.terminal && b.total > 0 {
		full := min(barWidth, barWidth*at/b.total)
		line = "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "] " + line
	}
	return line
}

// stop ends the bar and leaves no trace of it on a terminal.
func (b *bar) stop() {
	close(b.end)
	b.ended.Wait()
	if b.terminal {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}

// grouped is a number as people read it: 10,000.
func grouped[N int | uint64](n N) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// counted is so many things: 1 user, 10,000 users.
func counted[N int | uint64](n N, one, many string) string {
	return grouped(n) + " " + form(n, one, many)
}

// form is what a word is after a number.
func form[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
