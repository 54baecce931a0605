package store

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const schemaPrefix = root + "schema-extension/"

// SchemaExtension is the record of one extension of a directory's schema, in AWS's terms. It is apart from the directory's own,
// as its LDIF may be long.
type SchemaExtension struct {
	ID          string `json:"id"`
	Directory   string `json:"directory"`
	Account     string `json:"account"`
	Region      string `json:"region"`
	Description string `json:"description"`
	LDIF        string `json:"ldif"`
	// Snapshot is the id of the one that goes before it; "" is none.
	Snapshot string `json:"snapshot,omitempty"`
	Status
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`

	// Revision is the record's version in the store; 0 for one that is not there yet.
	Revision int64 `json:"-"`
}

func (x SchemaExtension) path() string { return x.Directory + "/" + x.ID }

func (x SchemaExtension) home() (account, region string) { return x.Account, x.Region }

func (x SchemaExtension) at() int64 { return x.Revision }

func (x SchemaExtension) moved(revision int64) SchemaExtension {
	x.Revision = revision
	return x
}

// SchemaExtensions is the set of all schema extensions.
type SchemaExtensions struct{ *Set[SchemaExtension] }

// FollowSchemaExtensions reads all schema extensions and keeps them current until ctx ends, as FollowDirectories does.
func (s *Store) FollowSchemaExtensions(ctx context.Context, changed func(id string)) (*SchemaExtensions, error) {
	set, err := followSet[SchemaExtension](ctx, s, "schema extension", schemaPrefix, changed)
	return &SchemaExtensions{set}, err
}

// Of is the schema extensions of one directory.
func (s *SchemaExtensions) Of(directory string) []SchemaExtension {
	return s.Where(func(x SchemaExtension) bool { return x.Directory == directory }, "", maxSchemaExtensions)
}

const maxSchemaExtensions = 1 << 20

// RemoveOf deletes the records of all schema extensions of a directory.
func (s *SchemaExtensions) RemoveOf(ctx context.Context, directory string) error {
	known := s.Of(directory)
	revision, err := s.store.commit(ctx, nil, []clientv3.Op{clientv3.OpDelete(schemaPrefix+directory+"/", clientv3.WithPrefix())})
	if err != nil {
		return err
	}
	for _, x := range known {
		s.set(x.ID, revision, nil)
	}
	return nil
}
