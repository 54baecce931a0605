package masterkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"latchkey/internal/audit"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/durable"
	"latchkey/internal/store"
)

var (
	// ErrForeign says that the store was sealed with another key.
	ErrForeign = errors.New("the master key is not the one that the store's passwords are sealed with")
	// ErrOther says that another rotation is to be ended first.
	ErrOther = errors.New("another rotation is under way: end it first, without a new key or with its own")
)

// Names in the store: what tells whether a key is the store's, and what is there for as long as a rotation lasts.
const (
	checkName    = "master-key"
	rotationName = "master-key/rotation"
)

// rotation makes both keys known to whoever has one of them. So a rotation may be stopped anywhere, servers may run
// meanwhile, and each data directory gets its new key in its own time.
type rotation struct {
	Next   []byte `json:"next"`   // the new key, sealed with the former one
	Former []byte `json:"former"` // the former key, sealed with the new one
}

// keys is both keys of a rotation, as one of them opens it.
func (r rotation) keys(key []byte) (next, former []byte, err error) {
	ring, err := embedded.NewKeyring(key)
	if err != nil {
		return nil, nil, err
	}
	if next, err := ring.Open(r.Next, rotationName+"/next"); err == nil {
		return next, key, nil
	}
	if former, err := ring.Open(r.Former, rotationName+"/former"); err == nil {
		return key, former, nil
	}
	return nil, nil, ErrForeign
}

func newRotation(key, next []byte) (r rotation, err error) {
	before, err := embedded.NewKeyring(key)
	if err != nil {
		return r, err
	}
	after, err := embedded.NewKeyring(next)
	if err != nil {
		return r, err
	}
	return rotation{before.Seal(next, rotationName+"/next"), after.Seal(key, rotationName+"/former")}, nil
}

// underWay is the rotation that was begun and not ended; nil without one.
func underWay(ctx context.Context, records *store.Store) (*rotation, error) {
	text, err := records.Given(ctx, rotationName)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &rotation{}
	return r, json.Unmarshal(text, r)
}

// Open is the keyring of a store, for a server whose key is key. While a rotation is under way, which rotating tells, the
// keyring opens what either key has sealed, and seals with the new one. A key that could open nothing is ErrForeign: one that
// was lost and made anew, or that was not copied from the other servers of a cluster.
func Open(ctx context.Context, records *store.Store, key []byte) (ring *embedded.Keyring, rotating bool, err error) {
	r, err := underWay(ctx, records)
	if err != nil {
		return nil, false, err
	}
	var former [][]byte
	if r != nil {
		next, old, err := r.keys(key)
		if err != nil {
			return nil, false, err
		}
		key, former = next, [][]byte{old}
	}
	if ring, err = embedded.NewKeyring(key, former...); err != nil {
		return nil, false, err
	}
	sealed, err := records.Once(ctx, checkName, ring.Seal([]byte(checkName), checkName))
	if err != nil {
		return nil, false, err
	}
	if _, err := ring.Open(sealed, checkName); err != nil {
		return nil, false, ErrForeign
	}
	return ring, r != nil, nil
}

// Rotation is what Rotate needs.
type Rotation struct {
	Records *store.Store
	// Dir is the data directory, which no server uses meanwhile.
	Dir string
	// Key is the store's, or one of the two of a rotation that was stopped.
	Key []byte
	// Next, unless nil, is to take its place. Otherwise one is made.
	Next []byte
	// Elsewhere says that the new key is kept elsewhere. Otherwise it gets into Dir.
	Elsewhere bool
	// Last says that no other data directory of the store has the former key: it is forgotten.
	Last bool
}

// Rotate seals all that Key seals with another key. It may be killed at any point: both keys are good until it is called
// again and comes to its end, and then only the new one.
func Rotate(ctx context.Context, o Rotation) (done store.Resealed, err error) {
	ring, next, err := o.prepare(ctx)
	if err != nil {
		return done, err
	}
	for _, step := range o.steps(ctx, ring.Reseal, next, &done) {
		if err := step(); err != nil {
			return done, fmt.Errorf("rotate the master key: %w", err)
		}
	}
	return done, nil
}

// prepare begins a rotation, or finds the one that is under way.
func (o *Rotation) prepare(ctx context.Context) (ring *embedded.Keyring, next []byte, err error) {
	if _, _, err := Open(ctx, o.Records, o.Key); err != nil {
		return nil, nil, err
	}
	r, err := underWay(ctx, o.Records)
	if err == nil && r == nil {
		r, err = o.begin(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	next, former, err := r.keys(o.Key)
	if err == nil && o.Next != nil && !bytes.Equal(o.Next, next) {
		err = ErrOther
	}
	if err != nil {
		return nil, nil, err
	}
	ring, err = embedded.NewKeyring(next, former)
	return ring, next, err
}

// steps are what follows. Each can be stopped, and is repeated then.
func (o *Rotation) steps(ctx context.Context, reseal func(sealed []byte, owner string) ([]byte, error), next []byte, done *store.Resealed) []func() error {
	path := filepath.Join(o.Dir, File)
	steps := []func() error{
		func() (err error) { *done, err = o.Records.Reseal(ctx, reseal); return err },
		func() error { return audit.Reseal(o.Dir, reseal) },
	}
	if !o.Elsewhere {
		steps = append(steps, func() error { return durable.Replace(path, 0o600, next) })
	}
	if !o.Last {
		return steps
	}
	steps = append(steps, func() error { return o.Records.DropHistory(ctx) }, func() error { return o.Records.Forget(ctx, rotationName) })
	if o.Elsewhere {
		// The former key is of no use to anybody any more.
		steps = append(steps, func() error {
			if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		})
	}
	return steps
}

// begin makes the new key known before anything is sealed with it.
func (o *Rotation) begin(ctx context.Context) (*rotation, error) {
	next := o.Next
	if next == nil {
		next = fresh()
	}
	if bytes.Equal(next, o.Key) {
		return nil, errors.New("the new master key is the present one")
	}
	begun, err := newRotation(o.Key, next)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(begun)
	if err != nil {
		return nil, err
	}
	if text, err = o.Records.Once(ctx, rotationName, text); err != nil {
		return nil, err
	}
	// Somebody else may have been first.
	r := &rotation{}
	return r, json.Unmarshal(text, r)
}
