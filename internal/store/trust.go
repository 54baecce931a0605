package store

import "time"

// Trust is a directory's half of a relationship with another domain. Password is sealed under the trust's id until the
// directory holds it.
type Trust struct {
	ID            string `json:"id"`
	RemoteDomain  string `json:"remoteDomain"`
	Type          string `json:"type"`
	Direction     string `json:"direction"`
	SelectiveAuth string `json:"selectiveAuth"`
	Password      []byte `json:"password,omitempty"`
	Status
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Restore is the number of the directory's restoration since which the trust was looked at.
	Restore int `json:"restore,omitempty"`
}

// Forwarder is where a directory's DNS asks for the names of another domain.
type Forwarder struct {
	RemoteDomain string   `json:"remoteDomain"`
	Addresses    []string `json:"addresses"`
	Addresses6   []string `json:"addresses6,omitempty"`
	Scope        string   `json:"scope"`
}
