package ldapserver

import (
	"context"
	"errors"
	"time"
)

// Observer is told of what a server does. Its methods are called from many connections at once, and return at once.
type Observer interface {
	// Refused is told of what a limit ends or refuses.
	Refused(limit string)
	// Answered is told of a request's result. operation is add, bind, compare, delete, extended, modify, rename, search or
	// StartTLS.
	Answered(operation string, result uint16, took time.Duration)
}

// The limits that an observer is told of, each with its field of Limits.
const (
	LimitConnections   = "connections"    // Connections and ConnectionsPerAddress
	LimitMessageSize   = "message_size"   // MessageBytes and UnboundMessageBytes
	LimitMessageTime   = "message_time"   // Message
	LimitHandshakeTime = "handshake_time" // Handshake
	LimitOperationTime = "operation_time" // Operation
	LimitAnswerTime    = "answer_time"    // Write
	LimitFilter        = "filter"         // the depth of a filter, and how long it is
)

// limitOf is the limit that has ended a connection; "" where it was another reason.
func limitOf(err error) string {
	switch {
	case errors.Is(err, errTooLarge):
		return LimitMessageSize
	case errors.Is(err, errTooSlow):
		return LimitMessageTime
	case errors.Is(err, errHandshake) && errors.Is(err, context.DeadlineExceeded):
		return LimitHandshakeTime
	}
	return ""
}

type unobserved struct{}

func (unobserved) Refused(string)                         {}
func (unobserved) Answered(string, uint16, time.Duration) {}

// Connections is how many connections are open, and how many may be.
func (s *Server) Connections() (open, most int) { return s.door.Inside() }
