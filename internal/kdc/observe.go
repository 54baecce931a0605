package kdc

import "time"

// Observer is told of what a server does. Its methods are called from many exchanges at once, and return at once.
type Observer interface {
	// Answered is told of an answer. message is AS, TGS or kpasswd; code is KRB-ERROR's (RFC 4120 section 7.5.9), or the result of a
	// change of a password (RFC 3244 section 2); 0 is success.
	Answered(message string, code int32, took time.Duration)
	// Refused is told of what a limit ends or refuses.
	Refused(limit string)
}

// The limits that an observer is told of, each with its field of Limits.
const (
	LimitConnections = "connections"  // Connections and ConnectionsPerAddress
	LimitRequests    = "requests"     // InFlight
	LimitMessageSize = "message_size" // MessageBytes
	LimitMessageTime = "message_time" // Message
	LimitAnswerTime  = "answer_time"  // Write
)

type unobserved struct{}

func (unobserved) Answered(string, int32, time.Duration) {}
func (unobserved) Refused(string)                        {}

func (s *Server) observePassword(code uint16, began time.Time) {
	s.options.Observer.Answered("kpasswd", int32(code), time.Since(began))
}

// Connections is how many connections are open, and how many may be.
func (s *Server) Connections() (open, most int) { return s.door.Inside() }

// InFlight is how many requests are at work, and how many may be.
func (s *Server) InFlight() (used, most int) { return len(s.slots), cap(s.slots) }
