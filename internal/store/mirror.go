package store

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Change is the newest state of one key. Revision orders the changes of a key: a follower that has seen a newer one
// ignores an older one, so that a writer may apply its own change at once and meet it again in the stream.
type Change struct {
	Key      string // without the mirrored prefix
	Value    []byte
	Gone     bool
	Created  int64
	Revision int64
}

const loadPage = 4096

// follow reads everything below prefix into apply, then goes on in the background with each change until ctx ends. It
// returns when the first reading is done; done is closed when the background part has stopped. Before a rereading, which
// only a gap in the stream makes necessary, it calls reset.
func (s *Store) follow(ctx context.Context, prefix string, apply func([]Change), reset func()) (done <-chan struct{}, err error) {
	revision, err := s.load(ctx, prefix, apply)
	if err != nil {
		return nil, err
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			revision = s.watch(ctx, prefix, revision, apply)
			if revision > 0 || ctx.Err() != nil {
				continue
			}
			s.logger.Warn("the store's history has a gap; reading again", "prefix", prefix)
			for revision == 0 && ctx.Err() == nil {
				reset()
				revision, err = s.load(ctx, prefix, apply)
				if err != nil {
					pause(ctx, time.Second)
				}
			}
		}
	}()
	return stopped, nil
}

func (s *Store) load(ctx context.Context, prefix string, apply func([]Change)) (int64, error) {
	key, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	var revision int64
	for {
		options := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(loadPage), clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend)}
		if revision > 0 {
			options = append(options, clientv3.WithRev(revision))
		}
		page, err := s.client.Get(ctx, key, options...)
		if err != nil {
			return 0, unavailable(err)
		}
		if revision == 0 {
			revision = page.Header.Revision
		}
		changes := make([]Change, len(page.Kvs))
		for i, kv := range page.Kvs {
			changes[i] = Change{Key: string(kv.Key[len(prefix):]), Value: kv.Value, Created: kv.CreateRevision, Revision: kv.ModRevision}
		}
		apply(changes)
		if !page.More {
			return revision, nil
		}
		key = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
}

// watch applies what happens after revision, and answers with the last revision it saw when the stream ended, or 0 when
// the changes after it are no longer kept.
func (s *Store) watch(ctx context.Context, prefix string, revision int64, apply func([]Change)) int64 {
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for response := range s.client.Watch(watching, prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1)) {
		if err := response.Err(); err != nil {
			if errors.Is(err, rpctypes.ErrCompacted) || response.CompactRevision > 0 {
				return 0
			}
			s.logger.Warn("the store's stream broke; joining it again", "prefix", prefix, "err", err)
			break
		}
		changes := make([]Change, len(response.Events))
		for i, event := range response.Events {
			changes[i] = Change{
				Key: string(event.Kv.Key[len(prefix):]), Value: event.Kv.Value, Gone: event.Type == clientv3.EventTypeDelete,
				Created: event.Kv.CreateRevision, Revision: event.Kv.ModRevision,
			}
		}
		apply(changes)
		revision = response.Header.Revision
	}
	pause(ctx, 100*time.Millisecond)
	return revision
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
