// Package operation says what an operation of an AWS service is: a row of a table. The gateway runs it; an operation
// never checks a signature, a permission or a limit itself, and never writes an audit event, so it can't forget to.
package operation

import (
	"context"
	"fmt"
	"time"

	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

// Access tells whether an operation changes anything.
type Access int

// The two kinds of access, CloudTrail's readOnly.
const (
	Read Access = iota
	Write
)

// Call is one authenticated, validated, authorized call.
type Call struct {
	RequestID string
	Account   string // 12 digits
	Region    string // from the signature's credential scope
	Principal identity.Principal
	Time      time.Time
	// Subject is the SID of the object that the operation found the call to be about, for the audit trail; "" is none.
	Subject string
	// May says whether the caller is allowed another action (ds:UpdateRadius) on a directory: for what an answer shows only to
	// who may change it.
	May func(action, directory string) bool
}

// The condition keys that Latchkey has besides AWS's. They are about the user whose password is to be reset.
const (
	// UserName is the user's sAMAccountName as the directory writes it.
	UserName = "latchkey:UserName"
	// UserOU is the DNs of all that the user is below: its OU, the OU around that, and so on up to the domain.
	UserOU = "latchkey:UserOU"
	// UserGroups is the sAMAccountNames of all groups that the user is in, also by way of others and by primaryGroupID.
	UserGroups = "latchkey:UserGroups"
)

// Spec is one row of a service's operation table.
type Spec struct {
	Name   string
	Access Access
	// Status is how docs/operations.md calls it, and Note what else it says of it.
	Status Status
	Note   string
	// New makes an empty request to decode into. Nil for an operation that is not built.
	New func() any
	// Directory is the directory the request is about, for authorization and audit; "" when there is none.
	Directory func(in any) string
	// About is the values of Latchkey's own condition keys for a request, by their names; nil for an operation that has none. It is
	// asked only where a policy needs to know.
	About func(ctx context.Context, call *Call, in any) (map[string][]string, error)
	// Run does the work. in is what New made.
	Run func(ctx context.Context, call *Call, in any) (any, error)
}

// Status is an operation's honest state.
type Status string

// The states of an operation: it does on the directory what AWS does; it keeps what it is given, validated, and gives it back,
// without an effect outside; it refuses, with the exception that AWS has for it; or it is not built yet, and answers as AWS
// answers a name that it does not know.
const (
	Real     Status = "real"
	Recorded Status = "recorded"
	Refused  Status = "refused"
	NotBuilt Status = "not built"
)

// With is the same row with another status, and the reason for it.
func (s Spec) With(status Status, note string) Spec {
	s.Status, s.Note = status, note
	return s
}

// New is the row of an operation with a real effect. directory picks the directory's id out of the request, or is nil.
func New[In, Out any](name string, access Access, directory func(*In) string, run func(context.Context, *Call, *In) (*Out, error)) Spec {
	return Spec{
		Name:   name,
		Access: access,
		Status: Real,
		New:    func() any { return new(In) },
		Directory: func(in any) string {
			if directory == nil {
				return ""
			}
			return directory(in.(*In))
		},
		Run: func(ctx context.Context, call *Call, in any) (any, error) {
			out, err := run(ctx, call, in.(*In))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}

// Knowing is the same row with values for Latchkey's own condition keys.
func Knowing[In any](s Spec, about func(context.Context, *Call, *In) (map[string][]string, error)) Spec {
	s.About = func(ctx context.Context, call *Call, in any) (map[string][]string, error) {
		return about(ctx, call, in.(*In))
	}
	return s
}

// Missing is the row of an operation that is not built yet: it answers as AWS answers an unknown operation.
func Missing(name string) Spec {
	return Spec{Name: name, Status: NotBuilt}
}

// Table is a service's operations by name.
type Table map[string]Spec

// NewTable refuses a name that occurs twice.
func NewTable(specs ...Spec) (Table, error) {
	table := make(Table, len(specs))
	for _, spec := range specs {
		if _, twice := table[spec.Name]; twice {
			return nil, fmt.Errorf("operation %s is in the table twice", spec.Name)
		}
		table[spec.Name] = spec
	}
	return table, nil
}

// Find is the operation of that name, or AWS's answer to a name it does not know.
func (t Table) Find(name string) (Spec, error) {
	spec, ok := t[name]
	if !ok || spec.Run == nil {
		return Spec{}, fault.New(fault.UnknownOperation, "")
	}
	return spec, nil
}
