package store

import (
	"context"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const snapshotPrefix = root + "snapshot/"

// Snapshot is the record of one snapshot of a directory, in AWS's terms.
type Snapshot struct {
	ID        string    `json:"id"`
	Directory string    `json:"directory"`
	Account   string    `json:"account"`
	Region    string    `json:"region"`
	Name      string    `json:"name,omitempty"`
	Type      string    `json:"type"`
	Status    string    `json:"status"`
	Reason    string    `json:"reason,omitempty"` // why it failed
	StartTime time.Time `json:"startTime"`

	// Revision is the record's version in the store; 0 for one that is not there yet.
	Revision int64 `json:"-"`
}

// A directory's snapshots are below its id, so that they can go together, whoever made them.
func (s Snapshot) path() string { return s.Directory + "/" + s.ID }

func (s Snapshot) home() (account, region string) { return s.Account, s.Region }

func (s Snapshot) at() int64 { return s.Revision }

func (s Snapshot) moved(revision int64) Snapshot {
	s.Revision = revision
	return s
}

// Snapshots is the set of all snapshots.
type Snapshots struct{ *Set[Snapshot] }

// FollowSnapshots reads all snapshots and keeps them current until ctx ends, as FollowDirectories does.
func (s *Store) FollowSnapshots(ctx context.Context, changed func(id string)) (*Snapshots, error) {
	set, err := followSet[Snapshot](ctx, s, "snapshot", snapshotPrefix, changed)
	return &Snapshots{set}, err
}

// Of is the snapshots of one directory.
func (s *Snapshots) Of(directory string) []Snapshot {
	return s.Where(func(snapshot Snapshot) bool { return snapshot.Directory == directory }, "", maxSnapshots)
}

const maxSnapshots = 1 << 20

// PutFor is Put if the directory's record is unchanged too: nothing that was read from it for the write is wrong by now.
func (s *Snapshots) PutFor(ctx context.Context, directory Directory, snapshot *Snapshot) error {
	return s.put(ctx, snapshot, unchanged(directoryPrefix+directory.ID, directory.Revision))
}

// PutRestoring writes the record of a directory if the snapshot that it is put back from is unchanged too.
func (s *Snapshots) PutRestoring(ctx context.Context, directories *Directories, record *Directory, from Snapshot) error {
	return directories.put(ctx, record, unchanged(snapshotPrefix+from.path(), from.Revision))
}

// RemoveOf deletes the records of all snapshots of a directory, also of those that this process does not know of yet.
func (s *Snapshots) RemoveOf(ctx context.Context, directory string) error {
	prefix := snapshotPrefix + directory + "/"
	known := s.Of(directory)
	revision, err := s.store.commit(ctx, nil, []clientv3.Op{clientv3.OpDelete(prefix, clientv3.WithPrefix())})
	if err != nil {
		return err
	}
	for snapshot := range slices.Values(known) {
		s.set(snapshot.ID, revision, nil)
	}
	return nil
}
