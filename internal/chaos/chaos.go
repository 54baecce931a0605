// Package chaos is the faults that a developer has calls answered with, to see what a client makes of them. Only a server with
// --dev has any.
package chaos

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is what happens to calls that it fits. An empty Operation, Directory or User fits every call.
type Fault struct {
	ID                         string
	Operation, Directory, User string
	// Code is the exception that answers, with Message; "" lets the call go on after Delay.
	Code, Message string
	Delay         time.Duration
	// Drop closes the connection without an answer.
	Drop bool
	// Times is how many calls it still happens to; 0 is all.
	Times int
}

// Faults is the faults there are. It is safe for concurrent use.
type Faults struct {
	mu  sync.Mutex
	all []Fault
}

// Max is how many faults there can be.
const Max = 100

// Add puts a fault behind the others, and gives back its id; "" if there are too many.
func (f *Faults) Add(fault Fault) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) == Max {
		return ""
	}
	var random [5]byte
	_, _ = rand.Read(random[:]) // never fails
	fault.ID = "f-" + hex.EncodeToString(random[:])
	f.all = append(f.all, fault)
	return fault.ID
}

// List is all faults, the oldest first.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// Clear takes a fault out, or all with "", and says whether there was one.
func (f *Faults) Clear(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.all)
	f.all = slices.DeleteFunc(f.all, func(fault Fault) bool { return id == "" || fault.ID == id })
	return len(f.all) < before
}

// Take is the oldest fault that fits the call, which it then has happened to once more.
func (f *Faults) Take(operation, directory, user string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fits := func(wanted, is string) bool { return wanted == "" || strings.EqualFold(wanted, is) }
	at := slices.IndexFunc(f.all, func(fault Fault) bool {
		return fits(fault.Operation, operation) && fits(fault.Directory, directory) && fits(fault.User, user)
	})
	if at < 0 {
		return Fault{}, false
	}
	taken := f.all[at]
	switch taken.Times {
	case 0:
	case 1:
		f.all = slices.Delete(f.all, at, at+1)
	default:
		f.all[at].Times--
	}
	return taken, true
}
