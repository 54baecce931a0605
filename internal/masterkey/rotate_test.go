package masterkey

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"latchkey/internal/audit"
	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/identity"
	"latchkey/internal/store"
)

// kept is a store with something sealed of each kind, and the data directory that it belongs to.
type kept struct {
	records *store.Store
	dir     string
	keyID   string
	public  []byte
}

const (
	domainID = "d-0123456789"
	trustID  = "t-0123456789"
	secretly = "Harbour-Light-11"
)

func fill(t *testing.T, key []byte) *kept {
	t.Helper()
	k := &kept{dir: t.TempDir()}
	records, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(k.dir, "store"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := records.Close(); err != nil {
			t.Error(err)
		}
	})
	k.records = records
	ring, _, err := Open(t.Context(), records, key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.LoadSigner(k.dir, ring)
	if err != nil {
		t.Fatal(err)
	}
	k.public = signer

	engine, err := embedded.New(records, ring, nil, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	sid, err := directory.ParseSID("S-1-5-21-1-2-3")
	if err != nil {
		t.Fatal(err)
	}
	domain := directory.Domain{ID: domainID, Kind: directory.SimpleAD, Name: "corp.example.com", NetBIOS: "CORP", SID: sid}
	if err := errors.Join(engine.Serve(t.Context(), domain), engine.Provision(t.Context(), domain)); err != nil {
		t.Fatal(err)
	}
	conn, err := engine.Conn(domainID)
	if err != nil {
		t.Fatal(err)
	}
	if err := directory.LayOut(t.Context(), conn, domain, []byte(secretly)); err != nil {
		t.Fatal(err)
	}
	directories, err := records.FollowDirectories(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	seal := func(owner string) []byte { return ring.Seal([]byte(secretly), owner) }
	record := store.Directory{
		ID: domainID, Password: seal(domainID), Radius: &store.Radius{Secret: seal(domainID)}, Connect: &store.Connect{Password: seal(domainID)},
		Trusts: []store.Trust{{ID: trustID, Password: seal(trustID)}, {ID: "t-empty"}},
	}
	if err := directories.Put(t.Context(), &record); err != nil {
		t.Fatal(err)
	}
	snapshots, err := records.FollowSnapshots(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	snapshot := store.Snapshot{ID: "s-0123456789", Directory: domainID}
	if err := snapshots.PutFor(t.Context(), record, &snapshot); err != nil {
		t.Fatal(err)
	}
	if err := records.SaveTree(t.Context(), record, snapshot.ID); err != nil {
		t.Fatal(err)
	}
	keys, err := records.FollowAccessKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	issued, credentials, err := (&identity.Issuer{Records: keys, Sealer: ring, Now: time.Now}).New("123456789012", "jane")
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Put(t.Context(), &issued); err != nil {
		t.Fatal(err)
	}
	k.keyID = credentials.AccessKeyID
	return k
}

// sealedWith is how many of the store's secrets a key opens, and how many it does not.
func (k *kept) sealedWith(t *testing.T, key []byte) (opened, others int) {
	t.Helper()
	ring, err := embedded.NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.records.Reseal(t.Context(), func(sealed []byte, owner string) ([]byte, error) {
		if _, err := ring.Open(sealed, owner); err != nil {
			others++
		} else {
			opened++
		}
		return sealed, nil
	}); err != nil {
		t.Fatal(err)
	}
	return opened, others
}

// works opens the keyring with a key, as a server does when it starts.
func (k *kept) works(t *testing.T, key []byte, rotating bool) {
	t.Helper()
	ring, under, err := Open(t.Context(), k.records, key)
	if err != nil || under != rotating {
		t.Fatalf("%v, under way: %v, want %v", err, under, rotating)
	}
	if _, err := k.records.Reseal(t.Context(), func(sealed []byte, owner string) ([]byte, error) {
		if _, err := ring.Open(sealed, owner); err != nil {
			t.Errorf("%s: %v", owner, err)
		}
		return sealed, nil
	}); err != nil {
		t.Fatal(err)
	}
	signer, err := audit.LoadSigner(k.dir, ring)
	if err != nil || !bytes.Equal(signer, k.public) {
		t.Errorf("the key of the audit trail: %v", err)
	}
}

// TestRotateStopped stops a rotation at each point, and ends it after that: both keys are good meanwhile, and then only the
// new one.
func TestRotateStopped(t *testing.T) {
	key := fresh()
	k := fill(t, key)
	total, none := k.sealedWith(t, key)
	if total < 12 || none != 0 {
		t.Fatalf("%d secrets", total)
	}
	const steps = 5
	for at := range total + steps - 1 {
		next := fresh()
		o := Rotation{Records: k.records, Dir: k.dir, Key: key, Next: next, Last: true}
		ring, found, err := o.prepare(t.Context())
		if err != nil || !bytes.Equal(found, next) {
			t.Fatal(err)
		}
		// So many secrets are sealed before it stops; after the last one, so many steps are done.
		left := at
		reseal := func(sealed []byte, owner string) ([]byte, error) {
			if left == 0 {
				return sealed, nil
			}
			left--
			return ring.Reseal(sealed, owner)
		}
		var done store.Resealed
		all := o.steps(t.Context(), reseal, next, &done)
		if len(all) != steps {
			t.Fatalf("%d steps", len(all))
		}
		for _, step := range all[:1+max(0, at-total)] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		k.works(t, key, true)
		k.works(t, next, true)
		if _, _, err := Open(t.Context(), k.records, fresh()); !errors.Is(err, ErrForeign) {
			t.Errorf("a third key: %v", err)
		}
		if _, err := Rotate(t.Context(), Rotation{Records: k.records, Dir: k.dir, Key: key, Next: fresh(), Last: true}); !errors.Is(err, ErrOther) {
			t.Errorf("another rotation: %v", err)
		}
		// The second run has either key, and knows the new one or not.
		again := Rotation{Records: k.records, Dir: k.dir, Key: [][]byte{key, next}[at%2], Last: true}
		if at%3 == 0 {
			again.Next = next
		}
		if _, err := Rotate(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		k.works(t, next, false)
		if _, _, err := Open(t.Context(), k.records, key); !errors.Is(err, ErrForeign) {
			t.Errorf("the former key: %v", err)
		}
		if opened, others := k.sealedWith(t, next); opened != total || others != 0 {
			t.Fatalf("at %d: the new key opens %d of %d, and not %d", at, opened, total, others)
		}
		if lies, err := InDirectory(k.dir); err != nil || !bytes.Equal(lies, next) {
			t.Fatalf("the data directory has another key: %v", err)
		}
		key = next
	}
}

// TestRotateCluster: until the last data directory has its new key, both are good.
func TestRotateCluster(t *testing.T) {
	key, next := fresh(), fresh()
	k := fill(t, key)
	if _, err := Rotate(t.Context(), Rotation{Records: k.records, Dir: k.dir, Key: key, Next: next, Elsewhere: true}); err != nil {
		t.Fatal(err)
	}
	if opened, _ := k.sealedWith(t, key); opened != 0 {
		t.Errorf("%d secrets under the former key", opened)
	}
	k.works(t, key, true)
	k.works(t, next, true)
	if _, err := Rotate(t.Context(), Rotation{Records: k.records, Dir: t.TempDir(), Key: key, Next: next, Elsewhere: true, Last: true}); err != nil {
		t.Fatal(err)
	}
	k.works(t, next, false)
	if _, _, err := Open(t.Context(), k.records, key); !errors.Is(err, ErrForeign) {
		t.Errorf("the former key: %v", err)
	}
}

// TestRotateRefused: what can't be right changes nothing.
func TestRotateRefused(t *testing.T) {
	key := fresh()
	k := fill(t, key)
	for what, o := range map[string]Rotation{
		"another key":       {Key: fresh()},
		"the same key":      {Key: key, Next: key},
		"a short key":       {Key: key, Next: key[:5]},
		"a short old key":   {Key: key[:5]},
		"no key whatsoever": {},
	} {
		o.Records, o.Dir, o.Last = k.records, k.dir, true
		if done, err := Rotate(t.Context(), o); err == nil || done.Count != 0 {
			t.Errorf("%s: %d, %v", what, done.Count, err)
		}
	}
	k.works(t, key, false)
}

// TestDamaged: a secret that no key opens stays as it is, and is named.
func TestDamaged(t *testing.T) {
	key := fresh()
	k := fill(t, key)
	directories, err := k.records.FollowDirectories(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := directories.Update(t.Context(), domainID, func(d *store.Directory) error { d.Trusts[0].Password = []byte("damaged"); return nil }); err != nil {
		t.Fatal(err)
	}
	total, _ := k.sealedWith(t, key)
	done, err := Rotate(t.Context(), Rotation{Records: k.records, Dir: k.dir, Key: key, Last: true})
	if err != nil || done.Count != total || len(done.Damaged) != 1 {
		t.Errorf("%d of %d, %v, %v", done.Count, total, done.Damaged, err)
	}
	if want := fmt.Sprintf("directory/%s: ", domainID); len(done.Damaged) == 1 && done.Damaged[0][:len(want)] != want {
		t.Errorf("%q", done.Damaged)
	}
}
