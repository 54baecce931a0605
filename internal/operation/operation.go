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
}

// Spec is one row of a service's operation table.
type Spec struct {
	Name   string
	Access Access
	// Status is how docs/operations.md calls it.
	Status Status
	// New makes an empty request to decode into. Nil for an operation that is not built.
	New func() any
	// Directory is the directory the request is about, for authorization and audit; "" when there is none.
	Directory func(in any) string
	// Run does the work. in is what New made.
	Run func(ctx context.Context, call *Call, in any) (any, error)
}

// Status is an operation's honest state.
type Status string

// The states of an operation: it does what AWS does, or it answers as AWS answers a name that it does not know.
const (
	Real     Status = "real"
	NotBuilt Status = "not built"
)

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
