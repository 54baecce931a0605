package ldapserver

import "time"

// Observer is told of what a server does. Its methods are called from many connections at once, and return at once.
type Observer interface {
	// TurnedAway is told of a connection that was not taken, as there are too many.
	TurnedAway()
	// Answered is told of a request's result. operation is add, bind, compare, delete, extended, modify, rename, search or
	// StartTLS.
	Answered(operation string, result uint16, took time.Duration)
}

type unobserved struct{}

func (unobserved) TurnedAway()                            {}
func (unobserved) Answered(string, uint16, time.Duration) {}

// Connections is how many connections are open, and how many may be.
func (s *Server) Connections() (open, most int) { return s.door.Inside() }
