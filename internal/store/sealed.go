package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Resealed is what Reseal has done.
type Resealed struct {
	// Count is how many secrets were sealed anew.
	Count int
	// Damaged is the records with a secret that could not be: it is left as it was.
	Damaged []string
}

// Reseal puts what reseal answers in the place of every sealed secret, of snapshots too. reseal is told whose it is, as it was
// when it was sealed. Others may write meanwhile. It may be stopped at any point and repeated.
func (s *Store) Reseal(ctx context.Context, reseal func(sealed []byte, owner string) ([]byte, error)) (Resealed, error) {
	r := &resealing{store: s, reseal: reseal}
	for _, each := range []struct {
		prefix string
		page   int64
	}{{oncePrefix, loadPage}, {accessKeyPrefix, loadPage}, {directoryPrefix, loadPage}, {treePrefix, loadPage}, {savedPrefix, savedPage}} {
		if err := r.below(ctx, each.prefix, each.page); err != nil {
			return r.done, fmt.Errorf("seal anew: %w", err)
		}
	}
	return r.done, nil
}

const (
	// savedPage is how many pieces of saved trees are read at once.
	savedPage = 8
	// resealBytes is how much is written at once.
	resealBytes = 1 << 20
	// resealAttempts is how often a record is tried that others change, too.
	resealAttempts = 20
)

type resealing struct {
	store  *Store
	reseal func(sealed []byte, owner string) ([]byte, error)
	done   Resealed

	// What is to be written next.
	keys       []string
	conditions []clientv3.Cmp
	operations []clientv3.Op
	size       int
	count      int
}

func (r *resealing) below(ctx context.Context, prefix string, page int64) error {
	key, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for {
		found, err := r.store.client.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(page))
		if err != nil {
			return unavailable(err)
		}
		for _, kv := range found.Kvs {
			if err := r.add(ctx, string(kv.Key), kv.Value, kv.ModRevision); err != nil {
				return err
			}
		}
		if !found.More {
			return r.flush(ctx)
		}
		key = string(found.Kvs[len(found.Kvs)-1].Key) + "\x00"
	}
}

func (r *resealing) add(ctx context.Context, key string, value []byte, revision int64) error {
	next, count, err := r.record(strings.TrimPrefix(key, root), value)
	if err != nil {
		r.done.Damaged = append(r.done.Damaged, strings.TrimPrefix(key, root)+": "+err.Error())
	}
	if count == 0 {
		return nil
	}
	r.keys = append(r.keys, key)
	r.conditions = append(r.conditions, unchanged(key, revision))
	r.operations = append(r.operations, clientv3.OpPut(key, string(next)))
	r.size += len(next)
	r.count += count
	if len(r.keys) == r.store.batchOps() || r.size >= resealBytes {
		return r.flush(ctx)
	}
	return nil
}

func (r *resealing) flush(ctx context.Context) error {
	if len(r.keys) == 0 {
		return nil
	}
	keys := r.keys
	_, err := r.store.commit(ctx, r.conditions, r.operations)
	if err == nil {
		r.done.Count += r.count
	}
	r.keys, r.conditions, r.operations, r.size, r.count = nil, nil, nil, 0, 0
	if !errors.Is(err, ErrConflict) {
		return err
	}
	for _, key := range keys {
		if err := r.single(ctx, key); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimPrefix(key, root), err)
		}
	}
	return nil
}

// single is for a record that somebody has changed since it was read.
func (r *resealing) single(ctx context.Context, key string) error {
	for attempt := 1; ; attempt++ {
		found, err := r.store.client.Get(ctx, key)
		if err != nil {
			return unavailable(err)
		}
		if len(found.Kvs) == 0 {
			return nil
		}
		revision := found.Kvs[0].ModRevision
		// What is damaged has been noted.
		next, count, _ := r.record(strings.TrimPrefix(key, root), found.Kvs[0].Value)
		if count == 0 {
			return nil
		}
		_, err = r.store.commit(ctx, []clientv3.Cmp{unchanged(key, revision)}, []clientv3.Op{clientv3.OpPut(key, string(next))})
		if err == nil {
			r.done.Count += count
		}
		if !errors.Is(err, ErrConflict) || attempt == resealAttempts {
			return err
		}
	}
}

// record is the value of a key with its secrets sealed anew, and how many that were. After an error it holds the others.
func (r *resealing) record(key string, value []byte) (next []byte, count int, err error) {
	var errs []error
	seal := func(sealed *[]byte, owner string) {
		if len(*sealed) == 0 {
			return
		}
		anew, err := r.reseal(*sealed, owner)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !bytes.Equal(anew, *sealed):
			*sealed = anew
			count++
		}
	}
	kind, rest, _ := strings.Cut(key, "/")
	parts := strings.Split(rest, "/")
	switch {
	case key == "once/master-key":
		next = value
		seal(&next, rest)
	case kind == "access-key":
		next, err = rewrite(value, func(k *AccessKey) { seal(&k.Secret, key) })
	case kind == "directory":
		next, err = rewrite(value, func(d *Directory) { d.eachSecret(seal) })
	case kind == "tree" && len(parts) == 3 && parts[1] == "entry":
		next, err = rewriteEntry(value, parts[0], parts[2], seal)
	case kind == "saved" && len(parts) == 4 && parts[2] == "chunk":
		next, err = rewriteChunk(value, func(item *savedItem) {
			kind, rest, _ := strings.Cut(string(item.Key), "/")
			at := strings.Split(rest, "/")
			if kind != "tree" || len(at) != 3 || at[1] != "entry" {
				return
			}
			entry, err := rewriteEntry(item.Value, at[0], at[2], seal)
			if err != nil {
				errs = append(errs, err)
				return
			}
			item.Value = entry
		})
	}
	return next, count, errors.Join(append(errs, err)...)
}

// eachSecret visits all that is sealed in the record, with its owner.
func (d *Directory) eachSecret(visit func(sealed *[]byte, owner string)) {
	visit(&d.Password, d.ID)
	if d.Radius != nil {
		visit(&d.Radius.Secret, d.ID)
	}
	if d.Connect != nil {
		visit(&d.Connect.Password, d.ID)
	}
	for i := range d.Trusts {
		visit(&d.Trusts[i].Password, d.Trusts[i].ID)
	}
}

func rewrite[T any](value []byte, change func(*T)) ([]byte, error) {
	var record T
	if err := json.Unmarshal(value, &record); err != nil {
		return nil, err
	}
	change(&record)
	return json.Marshal(record)
}

func rewriteEntry(value []byte, directory, guid string, seal func(sealed *[]byte, owner string)) ([]byte, error) {
	entry, err := decodeEntry(value)
	if err != nil {
		return nil, err
	}
	seal(&entry.Secret, directory+"/"+guid)
	next, err := encodeEntry(entry)
	return []byte(next), err
}

func rewriteChunk(value []byte, change func(*savedItem)) ([]byte, error) {
	read, err := decodeChunk(value)
	if err != nil {
		return nil, err
	}
	for i := range read.Items {
		change(&read.Items[i])
	}
	next, err := read.encode()
	return []byte(next), err
}

// DropHistory takes away what records were before: it can't be read any more, and etcd in this process gives its room back.
func (s *Store) DropHistory(ctx context.Context) error {
	now, err := s.client.Get(ctx, root, clientv3.WithCountOnly())
	if err != nil {
		return unavailable(err)
	}
	if _, err := s.client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return unavailable(err)
	}
	if s.server == nil {
		return nil
	}
	return s.server.Server.Backend().Defrag()
}
