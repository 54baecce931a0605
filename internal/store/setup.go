package store

import "time"

// Region is one that a directory was added to.
type Region struct {
	Name string `json:"name"`
	VPC  VPC    `json:"vpc"`
	// Controllers is how many domain controllers are wanted there.
	Controllers int32 `json:"controllers"`
	Tags        []Tag `json:"tags,omitempty"`
	Status
	LaunchTime time.Time `json:"launchTime"`
}

// IPRoute is a range of addresses that a directory's domain controllers are to reach.
type IPRoute struct {
	CIDR        string `json:"cidr"`
	Description string `json:"description,omitempty"`
	Status
	Added time.Time `json:"added"`
}

// Update is a change of a directory's setup, in AWS's terms.
type Update struct {
	Type string `json:"type"`
	// Previous and New are the values of what the type is about.
	Previous  string `json:"previous,omitempty"`
	New       string `json:"new"`
	Region    string `json:"region"`
	Initiator string `json:"initiator"`
	// Snapshot is the id of the one that goes before the update.
	Snapshot string `json:"snapshot,omitempty"`
	Status
	Start time.Time `json:"start"`
}
