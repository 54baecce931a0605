package store

import (
	"context"
	"encoding/json"
	"time"
)

const directoryPrefix = root + "directory/"

// Directory is the record of one directory, in AWS's terms. Account and Region are where it lives.
type Directory struct {
	ID          string    `json:"id"`
	Account     string    `json:"account"`
	Region      string    `json:"region"`
	Type        string    `json:"type"`
	Name        string    `json:"name"`
	ShortName   string    `json:"shortName"`
	Size        string    `json:"size,omitempty"`
	Edition     string    `json:"edition,omitempty"`
	Description string    `json:"description,omitempty"`
	SID         string    `json:"sid"`
	VPC         *VPC      `json:"vpc,omitempty"`
	Tags        []Tag     `json:"tags,omitempty"`
	Stage       string    `json:"stage"`
	StageReason string    `json:"stageReason,omitempty"`
	StageTime   time.Time `json:"stageTime"`
	LaunchTime  time.Time `json:"launchTime"`
	// Password is the administrator's, sealed, until the directory holds it.
	Password []byte `json:"password,omitempty"`

	// Engine is what holds the directory's objects; "" is the embedded one.
	Engine string `json:"engine,omitempty"`
	// Node is the server that runs the directory's domain controllers; "" when every server can serve it.
	Node string `json:"node,omitempty"`
	// Controllers are the domain controllers that the server runs for it.
	Controllers []Controller `json:"controllers,omitempty"`
	// Remote is how a domain that somebody else runs is reached, in the engine's own form.
	Remote json.RawMessage `json:"remote,omitempty"`
	Reset  Reset           `json:"reset,omitzero"`
	// Held says that a developer keeps the directory in its stage.
	Held    bool     `json:"held,omitempty"`
	Connect *Connect `json:"connect,omitempty"`
	Share   *Share   `json:"share,omitempty"`
	// Restore is the restoration that goes on while the stage is Restoring; after it, the last one.
	Restore Restore `json:"restore,omitzero"`

	// Alias is the name of the access URL; "" is the directory's id.
	Alias      string `json:"alias,omitempty"`
	SSO        bool   `json:"sso,omitempty"`
	DataAccess Status `json:"dataAccess,omitzero"`
	Network    string `json:"network,omitempty"`
	OS         string `json:"os,omitempty"`

	Regions  []Region  `json:"regions,omitempty"` // besides its own
	IPRoutes []IPRoute `json:"ipRoutes,omitempty"`
	Updates  []Update  `json:"updates,omitempty"` // of its setup, the oldest first
	Radius   *Radius   `json:"radius,omitempty"`

	Certificates []Certificate `json:"certificates,omitempty"`
	// LDAPS is of AWS's type Client. ClientAuth is by AWS's types.
	LDAPS      Status            `json:"ldaps,omitzero"`
	ClientAuth map[string]Status `json:"clientAuth,omitempty"`
	Settings   []Setting         `json:"settings,omitempty"` // those that were ever changed

	Trusts     []Trust     `json:"trusts,omitempty"`
	Forwarders []Forwarder `json:"forwarders,omitempty"`

	LogSubscription *LogSubscription `json:"logSubscription,omitempty"`
	EventTopics     []EventTopic     `json:"eventTopics,omitempty"`

	// Revision is the record's version in the store; 0 for one that is not there yet.
	Revision int64 `json:"-"`
}

// Controller is one domain controller. Stage and StageReason are AWS's Status and StatusReason.
type Controller struct {
	ID          string    `json:"id"`
	Host        string    `json:"host"`
	Address     string    `json:"address"`
	Stage       string    `json:"stage"`
	StageReason string    `json:"stageReason,omitempty"`
	StageTime   time.Time `json:"stageTime"`
	LaunchTime  time.Time `json:"launchTime"`
}

// Reset is what an operator has chosen for the resets of one directory.
type Reset struct {
	// Bases are the DNs below which users may be reset; none: all that AWS's rules leave.
	Bases []string `json:"bases,omitempty"`
	// LeaveOut is the attributes that the service account may not write.
	LeaveOut []string `json:"leaveOut,omitempty"`
	// History holds a new password against those that the user had.
	History bool `json:"history,omitempty"`
	// MustChange makes the user choose another password at the next logon.
	MustChange bool `json:"mustChange,omitempty"`
	// ReadBack proves the new password by a bind before the reset is acknowledged.
	ReadBack bool `json:"readBack,omitempty"`
}

// Restore is how a directory is put back to what it was.
type Restore struct {
	// Snapshot is the id of what it is put back from.
	Snapshot string `json:"snapshot,omitempty"`
	// Number counts the restorations of the directory: what is held of it from before the newest is not it any more.
	Number int `json:"number,omitempty"`
}

// VPC is where a directory would be on AWS: kept and shown, without effect.
type VPC struct {
	ID      string   `json:"id"`
	Subnets []string `json:"subnets"`
}

// Status is the state of something that a directory has, in AWS's words, and why and since when it is so.
type Status struct {
	State  string    `json:"state,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// Tag is a label on a directory.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Directories is the set of all directories.
type Directories = Set[Directory]

// FollowDirectories reads all directories and keeps them current until ctx ends. changed is called for each directory
// that is there, changes or goes, whoever changed it; it must not wait.
func (s *Store) FollowDirectories(ctx context.Context, changed func(id string)) (*Directories, error) {
	return followSet[Directory](ctx, s, "directory", directoryPrefix, changed)
}

func (d Directory) path() string { return d.ID }

func (d Directory) home() (account, region string) { return d.Account, d.Region }

func (d Directory) at() int64 { return d.Revision }

func (d Directory) moved(revision int64) Directory {
	d.Revision = revision
	return d
}
