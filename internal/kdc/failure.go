package kdc

import (
	"net/netip"
	"sync"
	"time"
)

// failures counts wrong passwords by where they came from, for a second each.
type failures struct {
	mu     sync.Mutex
	second int64
	counts map[netip.Prefix]int
}

// many says whether there were limit or more within this second.
func (f *failures) many(network netip.Prefix, now time.Time, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.second == now.Unix() && f.counts[network] >= limit
}

func (f *failures) note(network netip.Prefix, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.second != now.Unix() {
		f.second, f.counts = now.Unix(), map[netip.Prefix]int{}
	}
	f.counts[network]++
}
