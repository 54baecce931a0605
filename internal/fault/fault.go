// Package fault is the one error that may reach an AWS client.
//
// An operation turns what its seams return into an *Error; the gateway is the only place that writes one. Any other error
// becomes a ServiceException whose cause is logged and never sent.
package fault

import (
	"errors"
	"fmt"
)

// Error is an exception in AWS's sense. Code and Message reach the client; Err is the cause, for the log and the audit
// trail only, in words an administrator can act on.
type Error struct {
	Code    string
	Message string
	// Reason is the exception's member of that name, which those of ds-data have.
	Reason string
	Err    error
	// OutcomeUnknown says that nobody can tell whether the operation happened.
	OutcomeUnknown bool
}

// New is an exception with AWS's code and the text that the client gets.
func New(code, message string) *Error {
	return &Error{Code: code, Message: message}
}

// Newf is New with a format.
func Newf(code, format string, args ...any) *Error {
	return New(code, fmt.Sprintf(format, args...))
}

// Because is the same exception with its cause, which the client does not see.
func (e *Error) Because(cause error) *Error {
	because := *e
	because.Err = cause
	return &because
}

// Unknown is the same exception for an operation of which nobody can tell whether it happened.
func (e *Error) Unknown() *Error {
	unknown := *e
	unknown.OutcomeUnknown = true
	return &unknown
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Message + ": " + e.Err.Error()
	}
	return e.Code + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// From finds the exception in err, or makes the ServiceException that hides it.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return New(Service, "An exception has occurred in AWS Directory Service.").Because(err)
}
