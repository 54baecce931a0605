package app

import (
	"context"

	"latchkey/internal/store"
)

// auditHead is the head of this server's audit trail, in the store.
type auditHead struct {
	store *store.Store
	node  string
}

func (h auditHead) Load(ctx context.Context) (uint64, error) { return h.store.AuditHead(ctx, h.node) }

func (h auditHead) Save(ctx context.Context, records uint64) error {
	return h.store.SetAuditHead(ctx, h.node, records)
}
