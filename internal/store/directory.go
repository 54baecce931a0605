package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const directoryPrefix = root + "directory/"

// Directory is the record of one directory, in AWS's terms. Account and Region are where it lives.
type Directory struct {
	ID          string    `json:"id"`
	Account     string    `json:"account"`
	Region      string    `json:"region"`
	Type        string    `json:"type"`
	Name        string    `json:"name"`
	ShortName   string    `json:"shortName"`
	Size        string    `json:"size,omitempty"`
	Edition     string    `json:"edition,omitempty"`
	Description string    `json:"description,omitempty"`
	SID         string    `json:"sid"`
	VPC         *VPC      `json:"vpc,omitempty"`
	Tags        []Tag     `json:"tags,omitempty"`
	Stage       string    `json:"stage"`
	StageReason string    `json:"stageReason,omitempty"`
	StageTime   time.Time `json:"stageTime"`
	LaunchTime  time.Time `json:"launchTime"`
	// Password is the administrator's, sealed, until the directory holds it.
	Password []byte `json:"password,omitempty"`

	// Revision is the record's version in the store; 0 for one that is not there yet.
	Revision int64 `json:"-"`
}

// VPC is where a directory would be on AWS: kept and shown, without effect.
type VPC struct {
	ID      string   `json:"id"`
	Subnets []string `json:"subnets"`
}

// Tag is a label on a directory.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Put writes the record if it still is at d.Revision (0: if there is none of that id), and sets d.Revision. Its errors
// are ErrConflict and ErrUnknown.
func (s *Store) putDirectory(ctx context.Context, d *Directory) error {
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	key := directoryPrefix + d.ID
	revision, err := s.commit(ctx, []clientv3.Cmp{unchanged(key, d.Revision)}, []clientv3.Op{clientv3.OpPut(key, string(value))})
	if err != nil {
		return fmt.Errorf("directory %s: %w", d.ID, err)
	}
	d.Revision = revision
	return nil
}

func unchanged(key string, revision int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(key), "=", revision)
}

// Directories is the set of all directories, kept in memory and current: what this process wrote is there at once, what
// others wrote a moment later.
type Directories struct {
	store   *Store
	done    <-chan struct{}
	changed func(id string)

	mu    sync.RWMutex
	byID  map[string]Directory
	seen  map[string]int64 // the newest revision applied, also of directories that are gone
	order []string         // ids, sorted
}

// FollowDirectories reads all directories and keeps them current until ctx ends. changed is called for each directory
// that is there, changes or goes, whoever changed it; it must not wait.
func (s *Store) FollowDirectories(ctx context.Context, changed func(id string)) (*Directories, error) {
	d := &Directories{store: s, changed: changed, byID: map[string]Directory{}, seen: map[string]int64{}}
	done, err := s.follow(ctx, directoryPrefix, d.apply, d.reset)
	if err != nil {
		return nil, err
	}
	d.done = done
	return d, nil
}

// Wait returns when following has stopped.
func (d *Directories) Wait() { <-d.done }

func (d *Directories) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.byID)
	clear(d.seen)
	d.order = nil
}

func (d *Directories) apply(changes []Change) {
	for _, change := range changes {
		record := Directory{ID: change.Key}
		if !change.Gone {
			if err := json.Unmarshal(change.Value, &record); err != nil {
				d.store.logger.Error("a directory's record can't be read", "directory", change.Key, "err", err)
				continue
			}
		}
		record.Revision = change.Revision
		d.set(record, change.Gone)
	}
}

// set takes a newer state of a directory, from the store's stream or from a writer of this process.
func (d *Directories) set(record Directory, gone bool) {
	if d.take(record, gone) {
		d.changed(record.ID)
	}
}

func (d *Directories) take(record Directory, gone bool) (newer bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if record.Revision <= d.seen[record.ID] {
		return false
	}
	d.seen[record.ID] = record.Revision
	at, found := slices.BinarySearch(d.order, record.ID)
	switch {
	case gone && found:
		d.order = slices.Delete(d.order, at, at+1)
	case !gone && !found:
		d.order = slices.Insert(d.order, at, record.ID)
	}
	if gone {
		delete(d.byID, record.ID)
		return true
	}
	d.byID[record.ID] = record
	return true
}

// Find is the directory of that id; ErrNotFound if there is none.
func (d *Directories) Find(id string) (Directory, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	record, ok := d.byID[id]
	if !ok {
		return Directory{}, fmt.Errorf("directory %s: %w", id, ErrNotFound)
	}
	return record, nil
}

// All is the directories of an account and region whose id is greater than after, in the order of their ids, at most
// limit of them. Empty account and region stand for any.
func (d *Directories) All(account, region, after string, limit int) []Directory {
	d.mu.RLock()
	defer d.mu.RUnlock()
	at, found := slices.BinarySearch(d.order, after)
	if found {
		at++
	}
	var all []Directory
	for _, id := range d.order[at:] {
		record := d.byID[id]
		if (account != "" && record.Account != account) || (region != "" && record.Region != region) {
			continue
		}
		if len(all) == limit {
			break
		}
		all = append(all, record)
	}
	return all
}

// Put writes the record if it still is at record.Revision (0: if there is none of that id), and sets record.Revision.
// Its errors are ErrConflict and ErrUnknown.
func (d *Directories) Put(ctx context.Context, record *Directory) error {
	if err := d.store.putDirectory(ctx, record); err != nil {
		return err
	}
	d.set(*record, false)
	return nil
}

// Remove deletes the record if it still is at record.Revision.
func (d *Directories) Remove(ctx context.Context, record Directory) error {
	key := directoryPrefix + record.ID
	revision, err := d.store.commit(ctx, []clientv3.Cmp{unchanged(key, record.Revision)}, []clientv3.Op{clientv3.OpDelete(key)})
	if err != nil {
		return fmt.Errorf("directory %s: %w", record.ID, err)
	}
	record.Revision = revision
	d.set(record, true)
	return nil
}
