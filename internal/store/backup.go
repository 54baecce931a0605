package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
)

// ErrCluster says that etcd is not in this process, and what is asked for is done with etcd's own tools.
var ErrCluster = errors.New("the store is an etcd cluster")

// restoredAhead is how many revisions are left out after a restoration, so that none is given twice: writes after the backup
// had some of them, and clients that follow update sequence numbers have seen those.
const restoredAhead = 1 << 24

// Own says whether etcd runs in this process.
func (s *Store) Own() bool { return s.server != nil }

// Copy is the store at one moment. Close ends it.
type Copy struct {
	size  int64
	write func(io.Writer) (int64, error)
	close func() error
}

// Copy begins a copy of etcd in this process. Everything that was acknowledged is in it. Others may write meanwhile; what they
// free is not free for etcd before the copy is closed.
func (s *Store) Copy() (*Copy, error) {
	if !s.Own() {
		return nil, ErrCluster
	}
	taken := s.server.Server.Backend().Snapshot()
	return &Copy{taken.Size(), taken.WriteTo, taken.Close}, nil
}

// Size is how many bytes WriteTo writes.
func (c *Copy) Size() int64 { return c.size }

// WriteTo implements io.WriterTo.
func (c *Copy) WriteTo(w io.Writer) (int64, error) { return c.write(w) }

// Close lets the copy go.
func (c *Copy) Close() error { return c.close() }

// FromCopy makes etcd's files in dir, which is not there yet, from what a Copy wrote to the file at path.
func FromCopy(path, dir string, logger *slog.Logger) error {
	config := embed.NewConfig()
	peers := make([]string, len(config.AdvertisePeerUrls))
	for i, each := range config.AdvertisePeerUrls {
		peers[i] = each.String()
	}
	err := snapshot.NewV3(etcdLogger(logger)).Restore(snapshot.RestoreConfig{
		SnapshotPath: path, OutputDataDir: dir, SkipHashCheck: true,
		Name: config.Name, PeerURLs: peers, InitialCluster: config.InitialCluster, InitialClusterToken: config.InitialClusterToken,
		RevisionBump: restoredAhead, MarkCompacted: true,
	})
	if err != nil {
		return fmt.Errorf("restore the store: %w", err)
	}
	return nil
}
