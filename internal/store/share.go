package store

import "time"

// Share makes a record the consumer's view of somebody else's directory. The record's account is the consumer's.
type Share struct {
	OwnerAccount   string `json:"ownerAccount"`
	OwnerDirectory string `json:"ownerDirectory"`
	Method         string `json:"method"`
	Notes          string `json:"notes,omitempty"`
	Status
	Created time.Time `json:"created"`
}

// Connect is how an AD Connector reaches its domain. Password is sealed under the directory's id.
type Connect struct {
	VPC      VPC      `json:"vpc"`
	DNS      []string `json:"dns,omitempty"`
	DNS6     []string `json:"dns6,omitempty"`
	UserName string   `json:"userName"`
	Password []byte   `json:"password"`
	// Local is the id of the directory of this server that is the domain; "" is a domain elsewhere.
	Local string `json:"local,omitempty"`
}
