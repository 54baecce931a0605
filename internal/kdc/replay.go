package kdc

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
)

const (
	// retransmission is how long a client may repeat a message of which it has lost the answer.
	retransmission = time.Minute
	maxReplays     = 1 << 17
)

type digest [sha256.Size]byte

// replays remembers what has proved who somebody is (RFC 4120 section 3.2.3), for as long as clocks may be apart. A client that
// repeats the very same message within a minute is answered again: the answer is of use to nobody else.
type replays struct {
	mu    sync.Mutex
	seen  map[digest]seen
	order []digest // the oldest first
}

type seen struct {
	message digest
	first   time.Time
	answer  []byte
}

// check notes what has proved somebody, and refuses it when it came before in another message, or too long ago. again says that the
// very same message came before; answer is then what keep has remembered.
func (c *replays) check(proved, message []byte, now time.Time) (again bool, answer []byte, err error) {
	key, whole := sha256.Sum256(proved), digest(sha256.Sum256(message))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	if before, ok := c.seen[key]; ok {
		if before.message == whole && now.Sub(before.first) < retransmission {
			return true, before.answer, nil
		}
		return true, nil, refuse(errorcode.KRB_AP_ERR_REPEAT, "the request was made before")
	}
	if c.seen == nil {
		c.seen = map[digest]seen{}
	}
	c.seen[key] = seen{message: whole, first: now}
	c.order = append(c.order, key)
	return false, nil, nil
}

// keep remembers the answer to what check has noted, which must not be carried out twice.
func (c *replays) keep(proved, answer []byte) {
	key := sha256.Sum256(proved)
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, ok := c.seen[key]; ok {
		before.answer = answer
		c.seen[key] = before
	}
}

// expire forgets what is too old to be taken for new, and the oldest when there is too much.
func (c *replays) expire(now time.Time) {
	gone := 0
	for _, key := range c.order {
		if now.Sub(c.seen[key].first) < 2*clockSkew && len(c.order)-gone < maxReplays {
			break
		}
		delete(c.seen, key)
		gone++
	}
	c.order = c.order[gone:]
}
