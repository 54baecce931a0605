package wire

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[REDACTED]"

// Secret is a sensitive string of a request or a response. However it is printed, logged or marshalled, it shows that it
// is one and nothing else; only Bytes gives what it holds, and only Encode writes it. Copies share their bytes, so that
// wiping one wipes all. The zero Secret is an absent member.
type Secret struct {
	// Twice a pointer, so that fmt finds nothing but an address even where it cannot call Format: inside an unexported
	// field, under a verb that does not fit, it follows one.
	held **[]byte
}

// NewSecret takes b over: the caller must not keep it.
func NewSecret(b []byte) Secret {
	return Secret{new(&b)}
}

// Bytes is the secret itself, not a copy; nil when it is absent or wiped. A Go string made of it cannot be wiped.
func (s Secret) Bytes() []byte {
	if s.held == nil {
		return nil
	}
	return **s.held
}

// Wipe overwrites the secret. It stays present, without bytes.
func (s Secret) Wipe() {
	if s.held == nil {
		return
	}
	clear(**s.held)
	**s.held = nil
}

// IsZero tells an absent member from an empty one.
func (s Secret) IsZero() bool { return s.held == nil }

// Equal compares without telling by its duration where two secrets of one length differ.
func (s Secret) Equal(other Secret) bool {
	return s.IsZero() == other.IsZero() && subtle.ConstantTimeCompare(s.Bytes(), other.Bytes()) == 1
}

func (s Secret) String() string { return redacted }

// GoString is the redaction as well.
func (s Secret) GoString() string { return redacted }

// Format writes the redaction whatever the verb and flags.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON writes the redaction.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText writes the redaction.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is the redaction.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
