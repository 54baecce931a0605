package embedded

import (
	"errors"
	"testing"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// A change that loses against another writer is made again with the keys it has derived: they must still be there.
func TestRetryKeepsTheDerivedKeys(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	s := &Session{engine: engine, tree: engine.trees[domain.ID].tree, system: true, secure: true}
	dn := "CN=Administrator," + "CN=Users," + domain.BaseDN()
	password := &passwordChange{next: []byte("Tr1ed-again-and-held")}
	if err := s.derive(t.Context(), dn, password); err != nil {
		t.Fatal(err)
	}
	s.tree.mu.RLock()
	n, err := s.tree.find(dn)
	s.tree.mu.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	stale := s.tree.edit(n)
	stale.entry.Revision--
	if err := s.setPassword(stale, password); err != nil {
		t.Fatal(err)
	}
	if err := stale.commit(t.Context(), engine.store, engine.now()); err == nil {
		t.Fatal("a stale draft was written")
	} else if !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	if err := s.modify(t.Context(), dn, password, nil, false); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Bind(t.Context(), true, "Administrator", []byte("Tr1ed-again-and-held")); err != nil {
		t.Errorf("the password that was set in the second try: %v", err)
	}
}
