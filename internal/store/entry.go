package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	treePrefix  = root + "tree/"  // what a directory's followers read: entries and links
	claimPrefix = root + "claim/" // what makes a write fail: names, unique values, counters
)

// GUID identifies an entry for good, through renames and moves.
type GUID [16]byte

func (g GUID) String() string { return hex.EncodeToString(g[:]) }

func parseGUID(s string) (GUID, error) {
	var g GUID
	if len(s) != 2*len(g) {
		return g, fmt.Errorf("%q is not a GUID", s)
	}
	_, err := hex.Decode(g[:], []byte(s))
	return g, err
}

// Entry is one object of a directory's tree. Links between entries are not in it: they are keys of their own, so that a
// group of a hundred thousand members grows by a small write.
type Entry struct {
	GUID       GUID                `cbor:"-"`
	Parent     GUID                `cbor:"1,keyasint"`
	RDN        string              `cbor:"2,keyasint"` // as written, "CN=Jane Doe"
	Attributes map[string][]string `cbor:"3,keyasint"` // by the schema's names; values are bytes
	Secret     []byte              `cbor:"4,keyasint,omitempty"`

	Created  int64 `cbor:"-"` // the revision that made it
	Revision int64 `cbor:"-"` // the revision that changed it last
}

// Link is a reference of one entry to another by a linked attribute, as a group's member.
type Link struct {
	Attribute      string
	Source, Target GUID
}

// TreeChange is one change of a tree: of a link, or else of the entry GUID.
type TreeChange struct {
	GUID     GUID
	Link     *Link
	Gone     bool
	Revision int64

	entry   *Entry
	value   []byte
	created int64
}

// Changed is the change that a writer knows of because it made it.
func Changed(e *Entry, revision int64) TreeChange {
	return TreeChange{GUID: e.GUID, Revision: revision, entry: e}
}

// Entry is the entry as the change left it. It is read only now, since a follower often knows the change already.
func (c TreeChange) Entry() (*Entry, error) {
	if c.entry != nil {
		return c.entry, nil
	}
	e, err := decodeEntry(c.value)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", c.GUID, err)
	}
	e.GUID, e.Created, e.Revision = c.GUID, c.created, c.Revision
	return e, nil
}

// FollowTree reads the tree of a directory into apply and keeps it current until ctx ends, as follow does.
func (s *Store) FollowTree(ctx context.Context, directory string, apply func([]TreeChange), reset func()) (done <-chan struct{}, err error) {
	prefix := treePrefix + directory + "/"
	if err := s.noteRestoration(ctx, directory); err != nil {
		return nil, err
	}
	return s.follow(ctx, prefix, func(changes []Change) {
		parsed := make([]TreeChange, 0, len(changes))
		for _, change := range changes {
			tree, err := parseTreeChange(change)
			if err != nil {
				s.logger.Error("an entry can't be read", "directory", directory, "key", change.Key, "err", err)
				continue
			}
			parsed = append(parsed, tree)
		}
		apply(parsed)
	}, reset)
}

func parseTreeChange(change Change) (TreeChange, error) {
	kind, rest, _ := strings.Cut(change.Key, "/")
	switch kind {
	case "entry":
		guid, err := parseGUID(rest)
		if err != nil {
			return TreeChange{}, err
		}
		return TreeChange{GUID: guid, Gone: change.Gone, Revision: change.Revision, value: change.Value, created: change.Created}, nil
	case "link":
		parts := strings.Split(rest, "/")
		if len(parts) != 3 {
			return TreeChange{}, errors.New("a link's key has three parts")
		}
		source, err := parseGUID(parts[1])
		if err != nil {
			return TreeChange{}, err
		}
		target, err := parseGUID(parts[2])
		if err != nil {
			return TreeChange{}, err
		}
		return TreeChange{Link: &Link{parts[0], source, target}, Gone: change.Gone, Revision: change.Revision}, nil
	}
	return TreeChange{}, fmt.Errorf("%q is neither an entry nor a link", kind)
}

// entryFormat is the first byte of every stored entry, so that another format can follow. The rest is CBOR (RFC 8949),
// with byte strings for all text: the values of attributes are bytes.
const entryFormat = 1

func encodeEntry(e *Entry) (string, error) {
	body, err := entryEncoding.Marshal(e)
	if err != nil {
		return "", err
	}
	return string(append([]byte{entryFormat}, body...)), nil
}

func decodeEntry(value []byte) (*Entry, error) {
	if len(value) == 0 || value[0] != entryFormat {
		return nil, errors.New("not an entry of a format this version knows")
	}
	e := &Entry{}
	return e, entryDecoding.Unmarshal(value[1:], e)
}

var (
	entryEncoding = must(cbor.EncOptions{String: cbor.StringToByteString}.EncMode())
	entryDecoding = must(cbor.DecOptions{ByteStringToString: cbor.ByteStringToStringAllowed}.DecMode())
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Batch is a change of a directory's tree that happens as a whole or not at all.
type Batch struct {
	directory  string
	tree       string
	claims     string
	conditions []clientv3.Cmp
	operations []clientv3.Op
	err        error
}

// NewBatch begins a change of that directory's tree.
func NewBatch(directory string) *Batch {
	return &Batch{directory: directory, tree: treePrefix + directory + "/", claims: claimPrefix + directory + "/"}
}

func (b *Batch) entryKey(g GUID) string { return b.tree + "entry/" + g.String() }

func (b *Batch) linkKey(l Link) string {
	return b.tree + "link/" + l.Attribute + "/" + l.Source.String() + "/" + l.Target.String()
}

func (b *Batch) claimKey(kind, value string) string {
	return b.claims + "value/" + kind + "/" + hex.EncodeToString([]byte(value))
}

func (b *Batch) childKey(parent GUID, rdn string) string {
	return b.claims + "child/" + parent.String() + "/" + hex.EncodeToString([]byte(rdn))
}

// Put writes the entry, which must still be at e.Revision (0: must not exist).
func (b *Batch) Put(e *Entry) {
	value, err := encodeEntry(e)
	if err != nil {
		b.err = errors.Join(b.err, err)
	}
	b.conditions = append(b.conditions, unchanged(b.entryKey(e.GUID), e.Revision))
	b.operations = append(b.operations, clientv3.OpPut(b.entryKey(e.GUID), value))
}

// Delete removes the entry, which must still be at e.Revision.
func (b *Batch) Delete(e *Entry) {
	b.conditions = append(b.conditions, unchanged(b.entryKey(e.GUID), e.Revision))
	b.operations = append(b.operations, clientv3.OpDelete(b.entryKey(e.GUID)))
}

// Exists demands that the entry is there when the batch happens.
func (b *Batch) Exists(g GUID) {
	b.conditions = append(b.conditions, clientv3.Compare(clientv3.CreateRevision(b.entryKey(g)), ">", 0))
}

// Unchanged demands that the entry still is at that revision when the batch happens.
func (b *Batch) Unchanged(g GUID, revision int64) {
	b.conditions = append(b.conditions, unchanged(b.entryKey(g), revision))
}

// Place gives the entry its name below parent, which must be free there. rdn is in the form that names are compared in.
func (b *Batch) Place(parent GUID, rdn string, g GUID) {
	b.take(b.childKey(parent, rdn), g)
}

// Displace gives a name below parent up.
func (b *Batch) Displace(parent GUID, rdn string) {
	b.operations = append(b.operations, clientv3.OpDelete(b.childKey(parent, rdn)))
}

// Childless demands that nothing is placed below parent when the batch happens.
func (b *Batch) Childless(parent GUID) {
	b.conditions = append(b.conditions, clientv3.Compare(clientv3.CreateRevision(b.claims+"child/"+parent.String()+"/"), "=", 0).WithPrefix())
}

// Claim takes a value that only one entry of the directory may have, such as an account name.
func (b *Batch) Claim(kind, value string, g GUID) {
	b.take(b.claimKey(kind, value), g)
}

// Release gives a claimed value up.
func (b *Batch) Release(kind, value string) {
	b.operations = append(b.operations, clientv3.OpDelete(b.claimKey(kind, value)))
}

func (b *Batch) take(key string, g GUID) {
	b.conditions = append(b.conditions, clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
	b.operations = append(b.operations, clientv3.OpPut(key, g.String()))
}

// Link makes a reference that must not exist yet.
func (b *Batch) Link(l Link) {
	b.conditions = append(b.conditions, clientv3.Compare(clientv3.CreateRevision(b.linkKey(l)), "=", 0))
	b.operations = append(b.operations, clientv3.OpPut(b.linkKey(l), ""))
}

// Unlink removes a reference that must exist.
func (b *Batch) Unlink(l Link) {
	b.conditions = append(b.conditions, clientv3.Compare(clientv3.CreateRevision(b.linkKey(l)), ">", 0))
	b.operations = append(b.operations, clientv3.OpDelete(b.linkKey(l)))
}

// Commit makes the change happen and answers with its revision. Its errors are ErrConflict, ErrUnknown, or one that says
// why nothing was written.
func (s *Store) Commit(ctx context.Context, b *Batch) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	return s.commit(ctx, append(s.restoration(b.directory), b.conditions...), b.operations)
}

// Reserve takes the next count numbers of a directory's counter, which begins at first, and answers with the lowest.
func (s *Store) Reserve(ctx context.Context, directory, counter string, first, count uint32) (uint32, error) {
	key := claimPrefix + directory + "/counter/" + counter
	for {
		response, err := s.client.Get(ctx, key)
		if err != nil {
			return 0, unavailable(err)
		}
		next, revision := first, int64(0)
		if len(response.Kvs) > 0 {
			revision = response.Kvs[0].ModRevision
			if _, err := fmt.Sscan(string(response.Kvs[0].Value), &next); err != nil {
				return 0, fmt.Errorf("counter %s of directory %s: %w", counter, directory, err)
			}
		}
		_, err = s.commit(ctx, []clientv3.Cmp{unchanged(key, revision)}, []clientv3.Op{clientv3.OpPut(key, fmt.Sprint(next+count))})
		if errors.Is(err, ErrConflict) {
			continue
		}
		return next, err
	}
}

// RemoveTree deletes everything of a directory's tree, and what snapshots have saved of it.
func (s *Store) RemoveTree(ctx context.Context, directory string) error {
	_, err := s.commit(ctx, nil, []clientv3.Op{
		clientv3.OpDelete(treePrefix+directory+"/", clientv3.WithPrefix()),
		clientv3.OpDelete(claimPrefix+directory+"/", clientv3.WithPrefix()),
		clientv3.OpDelete(savedPrefix+directory+"/", clientv3.WithPrefix()),
		clientv3.OpDelete(restoredPrefix + directory),
	})
	return err
}
