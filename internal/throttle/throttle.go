// Package throttle bounds how often something happens, by token buckets.
package throttle

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how fast a bucket fills, in tokens a second, and how many it holds. The zero Rate is no bound.
type Rate struct {
	PerSecond float64
	Burst     int
}

const (
	maxPerSecond = 1e6
	maxBurst     = 1e6
)

// Parse reads RATE:BURST, such as 0.1:5 for five at once and one in ten seconds from then on. Nothing is no bound.
func Parse(text string) (Rate, error) {
	if text == "" {
		return Rate{}, nil
	}
	perSecond, burst, _ := strings.Cut(text, ":")
	var r Rate
	var err error
	if r.PerSecond, err = strconv.ParseFloat(perSecond, 64); err != nil || !(r.PerSecond > 0 && r.PerSecond <= maxPerSecond) {
		return Rate{}, fmt.Errorf("%q is not RATE:BURST: a number of calls a second, above 0 and up to %g, and a whole number of calls at once", text, maxPerSecond)
	}
	if r.Burst, err = strconv.Atoi(burst); err != nil || r.Burst < 1 || r.Burst > maxBurst {
		return Rate{}, fmt.Errorf("%q is not RATE:BURST: the calls at once are a whole number from 1 to %g", text, maxBurst)
	}
	return r, nil
}

// maxBuckets is how many buckets one generation has.
const maxBuckets = 10_000

// Buckets has one bucket for each name that was seen lately. With very many names the oldest ones are forgotten, which fills
// their buckets: its memory is bounded. It is safe for concurrent use.
type Buckets struct {
	rate Rate
	// Refused, unless nil, is called each time that Spent finds no token. It is set before the first use.
	Refused func()

	mu          sync.Mutex
	young, aged map[string]*bucket
}

type bucket struct {
	tokens *rate.Limiter
	told   time.Time
}

// New is Buckets of that rate; nil, which bounds nothing, for the zero Rate.
func New(r Rate) *Buckets {
	if r == (Rate{}) {
		return nil
	}
	return &Buckets{rate: r, young: map[string]*bucket{}}
}

// Take takes a token from the bucket of that name. When there is none, first says whether that was not said of this bucket
// within the last second.
func (b *Buckets) Take(name string, now time.Time) (ok, first bool) {
	if b == nil {
		return true, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.find(name)
	if of.tokens.AllowN(now, 1) {
		return true, false
	}
	if first = now.Sub(of.told) >= time.Second; first {
		of.told = now
	}
	return false, first
}

// Spent says whether the bucket of that name has no token, and takes none.
func (b *Buckets) Spent(name string, now time.Time) bool {
	if b == nil {
		return false
	}
	spent := b.spent(name, now)
	if spent && b.Refused != nil {
		b.Refused()
	}
	return spent
}

func (b *Buckets) spent(name string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.young[name]
	if of == nil {
		of = b.aged[name]
	}
	return of != nil && of.tokens.TokensAt(now) < 1
}

func (b *Buckets) find(name string) *bucket {
	if of := b.young[name]; of != nil {
		return of
	}
	of := b.aged[name]
	if of == nil {
		of = &bucket{tokens: rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)}
	}
	if len(b.young) >= maxBuckets {
		b.young, b.aged = map[string]*bucket{}, b.young
	}
	b.young[name] = of
	return of
}
