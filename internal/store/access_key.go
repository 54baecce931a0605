package store

import (
	"context"
	"time"
)

const accessKeyPrefix = root + "access-key/"

// AccessKey is an access key that was made for somebody, with what its holder may do.
type AccessKey struct {
	ID       string `json:"id"`
	Account  string `json:"account"`
	UserName string `json:"userName"`
	// Secret is the secret access key, sealed under the key's id.
	Secret   []byte    `json:"secret"`
	Policies []Policy  `json:"policies,omitempty"`
	Tags     []Tag     `json:"tags,omitempty"`
	Inactive bool      `json:"inactive,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	// Follows is the key that this one was made in the place of.
	Follows string `json:"follows,omitempty"`

	// Revision is the record's version in the store; 0 for one that is not there yet.
	Revision int64 `json:"-"`
}

// Policy is the text of a policy document.
type Policy struct {
	Name     string `json:"name"`
	Document string `json:"document"`
}

// AccessKeys is the set of all access keys, but for the root's.
type AccessKeys = Set[AccessKey]

// FollowAccessKeys reads all access keys and keeps them current until ctx ends.
func (s *Store) FollowAccessKeys(ctx context.Context) (*AccessKeys, error) {
	return followSet[AccessKey](ctx, s, "access key", accessKeyPrefix, func(string) {})
}

func (k AccessKey) path() string { return k.ID }

func (k AccessKey) home() (account, region string) { return k.Account, "" }

func (k AccessKey) at() int64 { return k.Revision }

func (k AccessKey) moved(revision int64) AccessKey {
	k.Revision = revision
	return k
}
