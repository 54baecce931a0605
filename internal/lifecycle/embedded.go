package lifecycle

import (
	"context"
	"errors"
	"sync"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/keytab"
	"latchkey/internal/store"
)

// NewEmbedded is the embedded engine as the worker asks it.
func NewEmbedded(engine *embedded.Engine) Engine {
	return &embeddedEngine{Engine: engine, restored: map[string]int{}}
}

// embeddedEngine makes snapshots as the engine itself does.
type embeddedEngine struct {
	*embedded.Engine

	mu       sync.Mutex
	restored map[string]int // by directory: the restoration that the served tree is of
}

func (e *embeddedEngine) Create(ctx context.Context, record store.Directory, domain directory.Domain, password []byte) error {
	if err := e.Engine.Serve(ctx, domain); err != nil {
		return err
	}
	if err := e.Provision(ctx, domain); err != nil {
		return err
	}
	conn, err := e.Conn(record.ID)
	if err != nil {
		return err
	}
	return directory.LayOut(ctx, conn, domain, password)
}

// Serve reads the tree anew when the directory was restored since: it may have happened on another server, so fast that
// this one never saw the stage. A directory that a former version made gets what it lacks.
func (e *embeddedEngine) Serve(ctx context.Context, record store.Directory, domain directory.Domain) error {
	e.mu.Lock()
	former := e.restored[record.ID]
	e.restored[record.ID] = record.Restore.Number
	e.mu.Unlock()
	if former != record.Restore.Number {
		e.Drop(record.ID)
	}
	if err := e.Engine.Serve(ctx, domain); err != nil {
		return err
	}
	return e.EnsureMachine(ctx, domain)
}

func (*embeddedEngine) Health(string) []Health { return nil }

// AccountKeys implements keyholder.
func (e *embeddedEngine) AccountKeys(_ context.Context, id, account string) ([]keytab.Key, error) {
	keys, err := e.Keys(id, account)
	if errors.Is(err, embedded.ErrNoKeys) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	clear(keys.Former)
	version := uint32(keys.Version) //nolint:gosec // counted up from 1
	return []keytab.Key{{Type: keytab.AES256, Version: version, Value: keys.AES256}, {Type: keytab.AES128, Version: version, Value: keys.AES128}}, nil
}

// ExtendSchema implements extender. The engine keeps no extension: each is given again when the directory is served.
func (e *embeddedEngine) ExtendSchema(_ context.Context, domain directory.Domain, definitions []directory.SchemaDefinition) error {
	return e.Extend(domain.ID, definitions)
}
