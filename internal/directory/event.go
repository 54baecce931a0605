package directory

import "time"

// SecurityEvent is something that happened to an account, with the number that Windows gives such an event in its security log
// (Microsoft, "Appendix L: Events to Monitor"). It holds no password.
type SecurityEvent struct {
	Time      time.Time `json:"time"`
	EventID   int       `json:"eventId"`
	Name      string    `json:"name"`
	Directory string    `json:"directoryId"`
	Domain    string    `json:"domain"`
	// Target is who or what it happened to, as a DN; Account is its sAMAccountName, where it has one.
	Target  string `json:"target,omitempty"`
	Account string `json:"account,omitempty"`
	// By is who did it, in the form of RFC 4532; "" is the service itself.
	By string `json:"by,omitempty"`
	// Code is why a login was refused: AD's data code.
	Code string `json:"code,omitempty"`
}

// EventKind is a number of Windows' security log and what it means.
type EventKind struct {
	ID   int
	Name string
}

// The kinds of security events.
var (
	EventLogon          = EventKind{4624, "An account was logged on"}
	EventLogonRefused   = EventKind{4625, "An account failed to log on"}
	EventPasswordChange = EventKind{4723, "An account's password was changed by its owner"}
	EventPasswordReset  = EventKind{4724, "An account's password was reset"}
	EventCreated        = EventKind{4720, "An entry was created"}
	EventDeleted        = EventKind{4726, "An entry was deleted"}
	EventChanged        = EventKind{4738, "An entry was changed"}
	EventMembers        = EventKind{4737, "The members of a group were changed"}
	EventRenamed        = EventKind{4781, "An entry was renamed"}
)
