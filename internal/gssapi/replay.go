package gssapi

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxReplays bounds what is remembered. Only who has a ticket adds to it.
const maxReplays = 1 << 17

// replays remembers authenticators for as long as they could be taken for new ones (RFC 4120 section 3.2.3).
type replays struct {
	mu    sync.Mutex
	seen  map[[sha256.Size]byte]time.Time
	order [][sha256.Size]byte // the oldest first
}

// first says whether an authenticator comes for the first time. When too many have come it says no.
func (r *replays) first(authenticator []byte, now time.Time) bool {
	key := sha256.Sum256(authenticator)
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := 0
	for _, old := range r.order {
		if now.Sub(r.seen[old]) <= 2*Skew {
			break
		}
		delete(r.seen, old)
		gone++
	}
	r.order = r.order[gone:]
	if _, before := r.seen[key]; before || len(r.order) >= maxReplays {
		return false
	}
	if r.seen == nil {
		r.seen = map[[sha256.Size]byte]time.Time{}
	}
	r.seen[key] = now
	r.order = append(r.order, key)
	return true
}
