package directory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

var (
	// ErrOutcomeUnknown marks a write of which nobody can say whether it happened.
	ErrOutcomeUnknown = errors.New("it is not known whether the directory made the change")
	// ErrUnavailable says that the directory can't be asked now.
	ErrUnavailable = errors.New("the directory can't be reached")
	// ErrLate is ErrUnavailable: the directory takes longer than it may.
	ErrLate = fmt.Errorf("%w in time", ErrUnavailable)
	// ErrBusy is ErrUnavailable: the directory has too much to do.
	ErrBusy = fmt.Errorf("%w: it has too much to do", ErrUnavailable)
	// ErrForbidden says that the account which Latchkey works with may not do this.
	ErrForbidden = errors.New("the service account lacks a right")
	// ErrInsecure says that the directory takes this over TLS only.
	ErrInsecure = errors.New("the directory demands TLS")
	// ErrUnsupported says that the directory does not know a control that the change needs.
	ErrUnsupported = errors.New("the directory does not support a control that this needs")
)

// Kind is a directory's type, in AWS's words.
type Kind string

// The kinds of directory that hold users.
const (
	SimpleAD    Kind = "SimpleAD"
	MicrosoftAD Kind = "MicrosoftAD"
)

// Domain is what one needs to know of a directory to work in it.
type Domain struct {
	ID      string // AWS's, d-…
	Kind    Kind
	Name    string // DNS name, in lower case
	NetBIOS string // in upper case
	SID     SID
}

// BaseDN is the naming context, DC=corp,DC=example,DC=com.
func (d Domain) BaseDN() string {
	return "DC=" + strings.Join(strings.Split(d.Name, "."), ",DC=")
}

// Realm is the Kerberos realm.
func (d Domain) Realm() string { return strings.ToUpper(d.Name) }

// CustomerDN is where the customer's own objects live: on Managed Microsoft AD the OU with the NetBIOS name (AWS
// Administration Guide, "What gets created"), on Simple AD the domain itself.
func (d Domain) CustomerDN() string {
	if d.Kind == MicrosoftAD {
		return "OU=" + ldap.EscapeDN(d.NetBIOS) + "," + d.BaseDN()
	}
	return d.BaseDN()
}

// UsersDN is where a new user goes.
func (d Domain) UsersDN() string {
	if d.Kind == MicrosoftAD {
		return "OU=Users," + d.CustomerDN()
	}
	return "CN=Users," + d.BaseDN()
}

// ComputersDN is where new computers go.
func (d Domain) ComputersDN() string {
	if d.Kind == MicrosoftAD {
		return "OU=Computers," + d.CustomerDN()
	}
	return "CN=Computers," + d.BaseDN()
}

// Administrator is the account name of the customer's administrator: the one whose password the create call sets.
func (d Domain) Administrator() string {
	if d.Kind == MicrosoftAD {
		return "Admin"
	}
	return "Administrator"
}
