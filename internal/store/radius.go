package store

// Radius is the servers that ask for a second factor. Secret is sealed under the directory's id.
type Radius struct {
	Servers      []string `json:"servers"`
	Port         int32    `json:"port"`
	Protocol     string   `json:"protocol"`
	Label        string   `json:"label"`
	Retries      int32    `json:"retries"`
	Timeout      int32    `json:"timeout"` // seconds
	SameUsername bool     `json:"sameUsername"`
	Secret       []byte   `json:"secret"`
	Status
}
