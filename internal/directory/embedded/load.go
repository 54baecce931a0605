package embedded

// Load is how much deriving of keys is going on, and waits, of how much may.
type Load struct {
	Deriving, Slots         int
	Logins, Resets, Waiting int // that wait, and how many of each may
}

// Load is how it is now.
func (e *Engine) Load() Load {
	g := e.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	return Load{Deriving: g.slots - g.free, Slots: g.slots, Logins: len(g.waiting[login]), Resets: len(g.waiting[reset]), Waiting: g.limit}
}
