package ldapserver

import (
	"crypto/tls"
	"log/slog"
	"time"

	"latchkey/internal/throttle"
)

// Options is what a server is made of. Backend and TLS are required.
type Options struct {
	Backend Backend
	// TLS serves StartTLS and LDAPS. It is not changed; certificates can be renewed through its GetCertificate.
	TLS *tls.Config
	// Logger gets every operation at debug level and refused binds at info, without passwords. Nil discards.
	Logger *slog.Logger
	Limits Limits
	// Failures has a token less for each refused login of a network (see admission.Network). What comes from one that has spent
	// all is refused unseen. Nil bounds nothing.
	Failures *throttle.Buckets
	// Observer is told of what the server does. Nil is none.
	Observer Observer
}

// Limits bound what clients may use. A zero field stands for its default.
type Limits struct {
	// Connections open at once (4096), and those of them from one address, or from one /64 of IPv6 (512).
	Connections, ConnectionsPerAddress int
	// InFlight is the number of operations at work for one connection (32). The next one is not read before one is done.
	InFlight int
	// MessageBytes is the largest request of a bound connection (1 MiB), UnboundMessageBytes of one that is not (16 KiB).
	MessageBytes, UnboundMessageBytes int
	// Operation is the time that an operation may take (60 s), whatever its own time limit.
	Operation time.Duration
	// Message is the time from a request's first byte to its last (30 s).
	Message time.Duration
	// Idle is how long a bound connection may be silent with nothing in flight (15 min), Unbound one that is not (2 min).
	Idle, Unbound time.Duration
	// Handshake is the time for TLS to be agreed (10 s).
	Handshake time.Duration
	// Write is the time that a peer may take to accept 64 KiB of results (30 s).
	Write time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.Connections, 4096)
	setDefault(&l.ConnectionsPerAddress, 512)
	setDefault(&l.InFlight, 32)
	setDefault(&l.MessageBytes, 1<<20)
	setDefault(&l.UnboundMessageBytes, 16<<10)
	setDefault(&l.Operation, 60*time.Second)
	setDefault(&l.Message, 30*time.Second)
	setDefault(&l.Idle, 15*time.Minute)
	setDefault(&l.Unbound, 2*time.Minute)
	setDefault(&l.Handshake, 10*time.Second)
	setDefault(&l.Write, 30*time.Second)
	return l
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

const (
	oidStartTLS       = "1.3.6.1.4.1.1466.20037"
	oidPasswordModify = "1.3.6.1.4.1.4203.1.11.1"
	oidWhoAmI         = "1.3.6.1.4.1.4203.1.11.3"
)

// Features is what the rootDSE (RFC 4512 section 5.1) says of this server: for the backend to merge into its own. Which SASL
// mechanisms can work only the backend knows.
func Features() map[string][]string {
	return map[string][]string{
		"supportedLDAPVersion": {"3"},
		"supportedControl":     supportedControls(),
		"supportedExtension":   {oidStartTLS, oidPasswordModify, oidWhoAmI},
	}
}
