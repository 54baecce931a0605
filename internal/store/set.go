package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// record is what a Set holds: something with an id that belongs to an account and a Region.
type record[T any] interface {
	// path is the record's key below the set's prefix. It ends in the id.
	path() string
	home() (account, region string)
	at() (revision int64)
	moved(revision int64) T
}

// Set is all records of one kind, kept in memory and current: what this process wrote is there at once, what others wrote
// a moment later.
type Set[T record[T]] struct {
	store   *Store
	kind    string // as errors and logs name a record, "directory"
	prefix  string
	done    <-chan struct{}
	changed func(id string)

	mu    sync.RWMutex
	byID  map[string]T
	seen  map[string]int64 // the newest revision applied, also of records that are gone
	order []string         // ids, sorted
}

// followSet reads all records below prefix and keeps them current until ctx ends.
func followSet[T record[T]](ctx context.Context, s *Store, kind, prefix string, changed func(id string)) (*Set[T], error) {
	set := &Set[T]{store: s, kind: kind, prefix: prefix, changed: changed, byID: map[string]T{}, seen: map[string]int64{}}
	done, err := s.follow(ctx, prefix, set.apply, set.reset)
	if err != nil {
		return nil, err
	}
	set.done = done
	return set, nil
}

// Wait returns when following has stopped.
func (s *Set[T]) Wait() { <-s.done }

func (s *Set[T]) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byID)
	clear(s.seen)
	s.order = nil
}

func (s *Set[T]) apply(changes []Change) {
	for _, change := range changes {
		id := lastPart(change.Key)
		if change.Gone {
			s.set(id, change.Revision, nil)
			continue
		}
		var read T
		if err := json.Unmarshal(change.Value, &read); err != nil {
			s.store.logger.Error("a record can't be read", "kind", s.kind, "id", id, "err", err)
			continue
		}
		read = read.moved(change.Revision)
		s.set(id, change.Revision, &read)
	}
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// set takes a newer state of a record, from the store's stream or from a writer of this process; nil says that it is gone.
func (s *Set[T]) set(id string, revision int64, record *T) {
	if s.take(id, revision, record) {
		s.changed(id)
	}
}

func (s *Set[T]) take(id string, revision int64, record *T) (newer bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision <= s.seen[id] {
		return false
	}
	s.seen[id] = revision
	at, found := slices.BinarySearch(s.order, id)
	if record == nil {
		if found {
			s.order = slices.Delete(s.order, at, at+1)
		}
		delete(s.byID, id)
		return true
	}
	if !found {
		s.order = slices.Insert(s.order, at, id)
	}
	s.byID[id] = *record
	return true
}

// Find is the record of that id; ErrNotFound if there is none.
func (s *Set[T]) Find(id string) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.byID[id]
	if !ok {
		return found, fmt.Errorf("%s %s: %w", s.kind, id, ErrNotFound)
	}
	return found, nil
}

// All is the records of an account and Region whose id is greater than after, in the order of their ids, at most limit of
// them. Empty account and region stand for any.
func (s *Set[T]) All(account, region, after string, limit int) []T {
	return s.Where(func(r T) bool {
		its, where := r.home()
		return (account == "" || its == account) && (region == "" || where == region)
	}, after, limit)
}

// Where is the records that match whose id is greater than after, in the order of their ids, at most limit of them. match
// must not use the set.
func (s *Set[T]) Where(match func(T) bool, after string, limit int) []T {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := slices.BinarySearch(s.order, after)
	if found {
		at++
	}
	var all []T
	for _, id := range s.order[at:] {
		if len(all) == limit {
			break
		}
		if record := s.byID[id]; match(record) {
			all = append(all, record)
		}
	}
	return all
}

// Put writes the record if it still is at its Revision (0: if there is none of that id), and sets its Revision. Its errors
// are ErrConflict and ErrUnknown.
func (s *Set[T]) Put(ctx context.Context, record *T) error { return s.put(ctx, record) }

// put does so only if the further conditions hold too.
func (s *Set[T]) put(ctx context.Context, record *T, conditions ...clientv3.Cmp) error {
	value, err := json.Marshal(*record)
	if err != nil {
		return err
	}
	key := s.prefix + (*record).path()
	conditions = append(conditions, unchanged(key, (*record).at()))
	revision, err := s.store.commit(ctx, conditions, []clientv3.Op{clientv3.OpPut(key, string(value))})
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.kind, lastPart(key), err)
	}
	*record = (*record).moved(revision)
	s.set(lastPart(key), revision, record)
	return nil
}

// Update changes the record of that id: change gets a copy of its own of the newest state, as often as it takes until
// nobody else was faster. Its errors are change's own, ErrNotFound, ErrConflict after many tries, and ErrUnknown.
func (s *Set[T]) Update(ctx context.Context, id string, change func(*T) error) (T, error) {
	for attempt := 1; ; attempt++ {
		found, err := s.Find(id)
		if err != nil {
			return found, err
		}
		record, err := clone(found)
		if err != nil {
			return found, err
		}
		if err := change(&record); err != nil {
			return record, err
		}
		err = s.put(ctx, &record)
		if !errors.Is(err, ErrConflict) || attempt == updateAttempts {
			return record, err
		}
		select {
		case <-ctx.Done():
			return record, err
		case <-time.After(time.Duration(attempt) * time.Millisecond): // another server's write may be on its way here
		}
	}
}

const updateAttempts = 20

// clone shares nothing with the record.
func clone[T record[T]](found T) (copied T, err error) {
	text, err := json.Marshal(found)
	if err == nil {
		err = json.Unmarshal(text, &copied)
	}
	return copied.moved(found.at()), err
}

// Remove deletes the record if it still is at its Revision.
func (s *Set[T]) Remove(ctx context.Context, record T) error {
	key := s.prefix + record.path()
	revision, err := s.store.commit(ctx, []clientv3.Cmp{unchanged(key, record.at())}, []clientv3.Op{clientv3.OpDelete(key)})
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.kind, lastPart(key), err)
	}
	s.set(lastPart(key), revision, nil)
	return nil
}

func unchanged(key string, revision int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(key), "=", revision)
}
