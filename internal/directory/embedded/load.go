package embedded

// Load is how much deriving of keys is going on, and waits, of how much may.
type Load struct {
	Deriving, Slots         int
	Logins, Resets, Waiting int // that wait, and how many of each may
}

// What TurnedAway is told.
const (
	WaitingLogins = "waiting_logins"
	WaitingResets = "waiting_resets"
)

func (e *Engine) turnedAway(u urgency) {
	switch {
	case e.TurnedAway == nil:
	case u == login:
		e.TurnedAway(WaitingLogins)
	case u == reset:
		e.TurnedAway(WaitingResets)
	}
}

// Load is how it is now.
func (e *Engine) Load() Load {
	g := e.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	return Load{Deriving: g.slots - g.free, Slots: g.slots, Logins: len(g.waiting[login]), Resets: len(g.waiting[reset]), Waiting: g.limit}
}
