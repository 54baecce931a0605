package client

import (
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// held is a connection that a search in pages goes on with: a domain controller knows a cookie on the connection that it
// gave it on, and on no other.
type held struct {
	controller *controller
	conn       *connection
	since      time.Time
}

const (
	maxPages = 64
	pageLife = 2 * time.Minute
)

// pages is the searches that have a next page, by their cookies. It is bounded: those who do not come back lose theirs.
type pages struct {
	mu   sync.Mutex
	open map[string]*held
}

func (p *pages) hold(cookie []byte, h *held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = map[string]*held{}
	}
	if len(p.open) >= maxPages {
		oldest := ""
		for key, other := range p.open {
			if oldest == "" || other.since.Before(p.open[oldest].since) {
				oldest = key
			}
		}
		discard(p.open[oldest].conn)
		delete(p.open, oldest)
	}
	p.open[string(cookie)] = h
}

func (p *pages) take(cookie []byte) *held {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.open[string(cookie)]
	delete(p.open, string(cookie))
	return h
}

func (p *pages) expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, h := range p.open {
		if now.Sub(h.since) > pageLife {
			discard(h.conn)
			delete(p.open, key)
		}
	}
}

func (p *pages) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, h := range p.open {
		discard(h.conn)
		delete(p.open, key)
	}
}

// nextPage is the cookie for the page after a result; nil when there is none.
func nextPage(result *ldap.SearchResult) []byte {
	if result == nil {
		return nil
	}
	paging, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	if !ok || len(paging.Cookie) == 0 {
		return nil
	}
	return paging.Cookie
}
