package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// savedPrefix is where the saved trees are: below the directory's id and the snapshot's, the revision that is saved
	// ("at") and the chunks, which are numbered.
	savedPrefix = root + "saved/"
	// restoredPrefix has, for a directory that was ever restored, how far its newest restoration is.
	restoredPrefix = root + "restored/"
	// chunkBytes is how much of a tree, before it is compressed, is in one chunk; one item may be larger.
	chunkBytes = 512 << 10
	// maxChunkBytes is what a chunk that is read may become.
	maxChunkBytes = 2 * maxRequestBytes
)

// ErrDamaged says that a saved tree is not whole.
var ErrDamaged = errors.New("what the snapshot has saved is not whole")

// savedRanges are what makes a tree. A counter is not of it: it never goes back.
func savedRanges(directory string) []string {
	return []string{treePrefix + directory + "/", claimPrefix + directory + "/value/", claimPrefix + directory + "/child/"}
}

// chunk is a part of a saved tree: gzip over CBOR (RFC 1952, RFC 8949). It can be read without the others.
type chunk struct {
	Last  bool        `cbor:"1,keyasint,omitempty"`
	Items []savedItem `cbor:"2,keyasint"`
}

type savedItem struct {
	Key   []byte `cbor:"1,keyasint"` // without root
	Value []byte `cbor:"2,keyasint,omitempty"`
}

func (c *chunk) encode() (string, error) {
	plain, err := cbor.Marshal(c)
	if err != nil {
		return "", err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return packed.String(), nil
}

func decodeChunk(value []byte) (*chunk, error) {
	r, err := gzip.NewReader(bytes.NewReader(value))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxChunkBytes))
	if err != nil {
		return nil, err
	}
	c := &chunk{}
	return c, cbor.Unmarshal(plain, c)
}

// SaveTree saves the tree of a directory as it is at one moment at which the directory's record still is at its Revision,
// for a snapshot whose record is there. It can be repeated, and several servers may do it at once: the moment is the one
// that the first has chosen, so that all write the same. Its errors are ErrConflict, when one of the two records is not
// as it was any more; ErrUnavailable, ErrUnknown and ErrFull.
func (s *Store) SaveTree(ctx context.Context, directory Directory, snapshot string) error {
	for range maxMoments {
		save, err := s.beginSave(ctx, directory, snapshot)
		if err != nil {
			return err
		}
		err = save.run(ctx, directory.ID)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return err
		}
		// The store keeps no history as old as that: another moment must do.
		forget := clientv3.OpDelete(save.prefix, clientv3.WithPrefix())
		if _, err := s.commit(ctx, save.fence, []clientv3.Op{forget}); err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: the history that it keeps is too short for the directory to be read in it", ErrUnavailable)
}

// maxMoments is how many moments are tried before the saving of a tree is given up.
const maxMoments = 5

// save is the saving of one tree. What it writes is written only while fence holds.
type save struct {
	store    *Store
	prefix   string
	fence    []clientv3.Cmp
	revision int64
	chunk    chunk
	size     int
	count    int
}

// beginSave finds the moment that is saved, or chooses it.
func (s *Store) beginSave(ctx context.Context, directory Directory, snapshot string) (*save, error) {
	record := snapshotPrefix + directory.ID + "/" + snapshot
	prefix := savedPrefix + directory.ID + "/" + snapshot + "/"
	for {
		response, err := s.client.Txn(ctx).Then(clientv3.OpGet(record, clientv3.WithKeysOnly()), clientv3.OpGet(prefix+"at")).Commit()
		if err != nil {
			return nil, unavailable(err)
		}
		there, chosen := response.Responses[0].GetResponseRange().Kvs, response.Responses[1].GetResponseRange().Kvs
		if len(there) == 0 {
			return nil, fmt.Errorf("snapshot %s: %w", snapshot, ErrConflict)
		}
		begun := &save{store: s, prefix: prefix, fence: []clientv3.Cmp{unchanged(record, there[0].ModRevision)}}
		if len(chosen) > 0 {
			begun.fence = append(begun.fence, unchanged(prefix+"at", chosen[0].ModRevision))
			begun.revision, err = strconv.ParseInt(string(chosen[0].Value), 10, 64)
			return begun, err
		}
		begun.revision = response.Header.Revision
		conditions := append(begun.fence, unchanged(prefix+"at", 0), unchanged(directoryPrefix+directory.ID, directory.Revision))
		at, err := s.commit(ctx, conditions, []clientv3.Op{clientv3.OpPut(prefix+"at", strconv.FormatInt(begun.revision, 10))})
		if err == nil {
			begun.fence = append(begun.fence, unchanged(prefix+"at", at))
			return begun, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, err
		}
		// Another server may just have chosen; if it was not that, there is nothing to be done.
		moment, err := s.client.Get(ctx, prefix+"at", clientv3.WithCountOnly())
		if err != nil {
			return nil, unavailable(err)
		}
		if moment.Count == 0 {
			return nil, fmt.Errorf("snapshot %s: %w", snapshot, ErrConflict)
		}
	}
}

func (v *save) run(ctx context.Context, directory string) error {
	for _, prefix := range savedRanges(directory) {
		key, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
		for {
			page, err := v.store.client.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(loadPage), clientv3.WithRev(v.revision))
			if errors.Is(err, rpctypes.ErrCompacted) {
				return err
			}
			if err != nil {
				return unavailable(err)
			}
			for _, kv := range page.Kvs {
				if err := v.add(ctx, kv.Key, kv.Value); err != nil {
					return err
				}
			}
			if !page.More {
				break
			}
			key = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		}
	}
	v.chunk.Last = true
	return v.flush(ctx)
}

func (v *save) add(ctx context.Context, key, value []byte) error {
	size := len(key) + len(value)
	if v.size > 0 && v.size+size > chunkBytes {
		if err := v.flush(ctx); err != nil {
			return err
		}
	}
	v.chunk.Items = append(v.chunk.Items, savedItem{key[len(root):], value})
	v.size += size
	return nil
}

func (v *save) flush(ctx context.Context) error {
	value, err := v.chunk.encode()
	if err != nil {
		return err
	}
	if _, err := v.store.commit(ctx, v.fence, []clientv3.Op{clientv3.OpPut(fmt.Sprintf("%schunk/%08d", v.prefix, v.count), value)}); err != nil {
		return err
	}
	v.count++
	v.chunk, v.size = chunk{}, 0
	return nil
}

// ReadSaved is what SaveTree has saved, to be kept elsewhere.
func (s *Store) ReadSaved(ctx context.Context, directory, snapshot string) (map[string]string, error) {
	response, err := s.client.Get(ctx, savedPrefix+directory+"/"+snapshot+"/", clientv3.WithPrefix())
	if err != nil {
		return nil, unavailable(err)
	}
	saved := map[string]string{}
	for _, kv := range response.Kvs {
		saved[string(kv.Key)] = string(kv.Value)
	}
	return saved, nil
}

// WriteSaved puts back what ReadSaved has read.
func (s *Store) WriteSaved(ctx context.Context, saved map[string]string) error {
	for key, value := range saved {
		if _, err := s.commit(ctx, nil, []clientv3.Op{clientv3.OpPut(key, value)}); err != nil {
			return err
		}
	}
	return nil
}

// DropSaved deletes what SaveTree has saved.
func (s *Store) DropSaved(ctx context.Context, directory, snapshot string) error {
	_, err := s.commit(ctx, nil, []clientv3.Op{clientv3.OpDelete(savedPrefix+directory+"/"+snapshot+"/", clientv3.WithPrefix())})
	return err
}

// RestoreTree makes the tree of a directory what the snapshot has saved, as the restoration that the directory's record
// tells of. It can be repeated, and several servers may do it at once, for as long as the record is at its Revision; none
// of them writes any more once the first is done. Who still holds the former tree can't write from the beginning on. What
// is damaged, or has no room, is not begun. Its errors are ErrConflict, when the record is not as it was; ErrDamaged,
// ErrUnavailable, ErrUnknown and ErrFull.
func (s *Store) RestoreTree(ctx context.Context, directory Directory, snapshot string) error {
	err := s.restoreTree(ctx, directory, snapshot)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	if state, _, again := s.restored(ctx, directory.ID); again == nil && state == restoreDone(directory) {
		return nil
	}
	return err
}

func (s *Store) restoreTree(ctx context.Context, directory Directory, snapshot string) error {
	state, _, err := s.restored(ctx, directory.ID)
	if err != nil || state == restoreDone(directory) {
		return err
	}
	size := uint64(0)
	err = s.eachChunk(ctx, directory.ID, snapshot, func(items []savedItem) error {
		for _, item := range items {
			size += uint64(len(item.Key) + len(item.Value))
		}
		return nil
	})
	if err != nil {
		return err
	}
	// It is written twice: to etcd's log and to its database.
	if err := s.room(2 * size); err != nil {
		return err
	}
	fence, err := s.clearTree(ctx, directory)
	if err != nil {
		return err
	}
	err = s.eachChunk(ctx, directory.ID, snapshot, func(items []savedItem) error {
		for part := range slices.Chunk(items, s.batchOps()) {
			puts := make([]clientv3.Op, len(part))
			for i, item := range part {
				puts[i] = clientv3.OpPut(root+string(item.Key), string(item.Value))
			}
			if _, err := s.commit(ctx, fence, puts); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.commit(ctx, fence, []clientv3.Op{clientv3.OpPut(restoredPrefix+directory.ID, restoreDone(directory))})
	return err
}

func restoreBegun(directory Directory) string { return fmt.Sprint("begun ", directory.Restore.Number) }

func restoreDone(directory Directory) string { return fmt.Sprint("done ", directory.Restore.Number) }

// restored is how far the newest restoration of a directory is, and the revision that says so; "" and 0 if there is none.
func (s *Store) restored(ctx context.Context, directory string) (state string, revision int64, err error) {
	response, err := s.client.Get(ctx, restoredPrefix+directory)
	switch {
	case err != nil:
		return "", 0, unavailable(err)
	case len(response.Kvs) == 0:
		return "", 0, nil
	}
	return string(response.Kvs[0].Value), response.Kvs[0].ModRevision, nil
}

// batchOps is how many keys one transaction of many is to write: a cluster's etcd takes 128, unless it is told otherwise.
func (s *Store) batchOps() int {
	if s.server == nil {
		return 128
	}
	return maxTxnOps
}

// clearTree takes the tree away, once for a restoration, and thereby what others may still write to it. It answers with
// the conditions that hold until the restoration ends.
func (s *Store) clearTree(ctx context.Context, directory Directory) ([]clientv3.Cmp, error) {
	key, record := restoredPrefix+directory.ID, unchanged(directoryPrefix+directory.ID, directory.Revision)
	state, revision, err := s.restored(ctx, directory.ID)
	if err != nil {
		return nil, err
	}
	switch state {
	case restoreBegun(directory):
	case restoreDone(directory):
		// Another server has been faster since restoreTree looked: nothing is to be cleared any more.
		return nil, ErrConflict
	default:
		operations := []clientv3.Op{clientv3.OpPut(key, restoreBegun(directory))}
		for _, prefix := range savedRanges(directory.ID) {
			operations = append(operations, clientv3.OpDelete(prefix, clientv3.WithPrefix()))
		}
		if revision, err = s.commit(ctx, []clientv3.Cmp{record, unchanged(key, revision)}, operations); err != nil {
			return nil, err
		}
	}
	return []clientv3.Cmp{record, unchanged(key, revision)}, nil
}

// eachChunk reads a saved tree, part by part.
func (s *Store) eachChunk(ctx context.Context, directory, snapshot string, visit func([]savedItem) error) error {
	prefix := savedPrefix + directory + "/" + snapshot + "/chunk/"
	own := savedRanges(directory)
	for n := 0; ; n++ {
		response, err := s.client.Get(ctx, fmt.Sprintf("%s%08d", prefix, n))
		if err != nil {
			return unavailable(err)
		}
		if len(response.Kvs) == 0 {
			return fmt.Errorf("%w: snapshot %s: part %d is missing", ErrDamaged, snapshot, n)
		}
		part, err := decodeChunk(response.Kvs[0].Value)
		if err != nil {
			return fmt.Errorf("%w: snapshot %s: part %d: %w", ErrDamaged, snapshot, n, err)
		}
		for _, item := range part.Items {
			if !hasAnyPrefix(root+string(item.Key), own) {
				return fmt.Errorf("%w: snapshot %s: part %d is not of directory %s", ErrDamaged, snapshot, n, directory)
			}
		}
		if err := visit(part.Items); err != nil || part.Last {
			return err
		}
	}
}

func hasAnyPrefix(key string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// restoration is the condition that the tree is of the restoration that it was of when this process began to follow it.
func (s *Store) restoration(directory string) []clientv3.Cmp {
	revision, followed := s.followed.Load(directory)
	if !followed {
		return nil
	}
	return []clientv3.Cmp{unchanged(restoredPrefix+directory, revision.(int64))}
}

// noteRestoration remembers which restoration the tree of a directory is of, before it is read.
func (s *Store) noteRestoration(ctx context.Context, directory string) error {
	_, revision, err := s.restored(ctx, directory)
	if err == nil {
		s.followed.Store(directory, revision)
	}
	return err
}
