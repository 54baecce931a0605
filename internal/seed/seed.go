// Package seed makes directories, users and groups from a YAML file, if they are missing: what a test or a first try
// wants to find. Applying a seed twice changes nothing.
package seed

import (
	"fmt"
	"time"

	"latchkey/internal/wire"
)

// Seed is a seed file, with its defaults filled in. examples/corp.yaml explains the format.
type Seed struct {
	Directories []Directory
}

// At is a place in the seed file, file:line.
type At struct {
	file string
	line int
}

func (a At) String() string { return fmt.Sprintf("%s:%d", a.file, a.line) }

// Directory is one directory and what is in it.
type Directory struct {
	At          At
	ID          string // empty: one is made up
	Type        string // SimpleAD or MicrosoftAD
	Name        string // in lower case
	ShortName   string
	Region      string
	Description string
	Size        string // of a SimpleAD
	Edition     string // of a MicrosoftAD
	Engine      string // embedded, samba or remote; empty: the server's default
	Remote      *Remote
	Password    wire.Secret
	Policy      *Policy // nil: AD's defaults
	Units       []Unit
	Groups      []Group
	Users       []User
	Computers   []Computer
}

// Remote is how a domain that somebody else runs is reached, and what its resets may do.
type Remote struct {
	URLs             []string
	Discover         bool
	PreferPDC        bool
	Resolver         string
	BindDN           string
	BindPasswordFile string
	CAFile           string
	ResetBases       []string
	LeaveOut         []string
	RespectHistory   bool
	MustChange       bool
	ReadBack         bool
}

// Policy is the password settings that differ from AD's defaults; nil keeps the default.
type Policy struct {
	MinLength         *int
	Complexity        *bool
	HistoryLength     *int
	MinAge            *Duration
	MaxAge            *Duration
	LockoutThreshold  *int
	LockoutDuration   *Duration
	ObservationWindow *Duration
}

// Duration is a Go duration, or in the file a number of days: 42d.
type Duration time.Duration

// Unit is an organizational unit's path, from the top down: Sales/Berlin. With a leading / it begins below the domain.
type Unit struct {
	At   At
	Path string
}

// Group is a group and the groups it is in.
type Group struct {
	At          At
	Name        string
	OU          *string // a Unit's path; empty: what those begin below; nil: the container for users
	Scope       string  // Global, DomainLocal or Universal
	Type        string  // Security or Distribution
	Description string
	Groups      []string
}

// User is a person.
type User struct {
	At                 At
	Name               string  // sAMAccountName
	OU                 *string // a Unit's path; nil: the container for users
	GivenName          string
	Surname            string
	DisplayName        string
	Mail               string
	UserPrincipalName  string
	Attributes         map[string]Values
	Password           wire.Secret // absent: disabled until a password is set
	Groups             []string
	PrimaryGroup       string // empty: Domain Users
	Disabled           bool
	MustChangePassword bool
	Locked             bool
}

// Values is an attribute's values.
type Values []string

// Computer is a computer's account, NAME$.
type Computer struct {
	At   At
	Name string
	OU   *string // a Unit's path; nil: the container for computers
}
