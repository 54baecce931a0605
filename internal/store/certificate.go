package store

import "time"

// Certificate is an authority's that a directory trusts.
type Certificate struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	PEM  string `json:"pem"`
	// CommonName is the subject's.
	CommonName string `json:"commonName"`
	OCSPURL    string `json:"ocspURL,omitempty"`
	Status
	Registered time.Time `json:"registered"`
	Expires    time.Time `json:"expires"`
}

// Setting is one of a directory's settings that was changed.
type Setting struct {
	Name      string `json:"name"`
	Applied   string `json:"applied"`
	Requested string `json:"requested"`
	Status
	Requesting time.Time `json:"requesting"`
}
