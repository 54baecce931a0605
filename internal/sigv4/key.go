package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"sync"
)

// maxKeys bounds the cache: 1,024 pairs of access key and region a day, some 300 KB.
const maxKeys = 1024

// scope is what a signing key is derived for.
type scope struct {
	accessKeyID, date, region, service string
}

type signingKey struct {
	secret string
	key    [sha256.Size]byte
}

// keyCache keeps the keys that have proved right. Wrong signatures never enter it, so that nobody without a secret can
// push others' keys out.
type keyCache struct {
	mu      sync.RWMutex
	byScope map[scope]signingKey
}

// find misses when the secret is not the one that the key was derived from, as after a rotation.
func (k *keyCache) find(s scope, secret string) ([sha256.Size]byte, bool) {
	k.mu.RLock()
	known, ok := k.byScope[s]
	k.mu.RUnlock()
	if !ok || subtle.ConstantTimeCompare([]byte(known.secret), []byte(secret)) != 1 {
		return [sha256.Size]byte{}, false
	}
	return known.key, true
}

func (k *keyCache) keep(s scope, secret string, key [sha256.Size]byte) {
	// The strings of a request share one allocation, which the cache must not hold on to.
	s = scope{strings.Clone(s.accessKeyID), strings.Clone(s.date), strings.Clone(s.region), strings.Clone(s.service)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.byScope) >= maxKeys {
		k.evict(s.date)
	}
	k.byScope[s] = signingKey{secret: secret, key: key}
}

// evict drops the keys of other days, and if there are none an arbitrary eighth.
func (k *keyCache) evict(today string) {
	for s := range k.byScope {
		if s.date != today {
			delete(k.byScope, s)
		}
	}
	for s := range k.byScope {
		if len(k.byScope) < maxKeys-maxKeys/8 {
			return
		}
		delete(k.byScope, s)
	}
}

func derive(secret string, s scope) [sha256.Size]byte {
	var sum [sha256.Size]byte
	sign([]byte("AWS4"+secret), []byte(s.date), &sum)
	sign(sum[:], []byte(s.region), &sum)
	sign(sum[:], []byte(s.service), &sum)
	sign(sum[:], []byte(terminator), &sum)
	return sum
}

func sign(key, text []byte, sum *[sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	mac.Sum(sum[:0])
}
