package client

// WaitingWrites is how many writes wait for their turn.
func (g *Group) WaitingWrites() int {
	g.writes.mu.Lock()
	defer g.writes.mu.Unlock()
	return len(g.writes.waiting)
}
