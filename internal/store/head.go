package store

import (
	"context"
	"encoding/binary"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const auditHeadPrefix = root + "audit-head/"

// AuditHead is how many records a server's audit trail has had when it was last told; 0 where it never was.
func (s *Store) AuditHead(ctx context.Context, node string) (uint64, error) {
	response, err := s.client.Get(ctx, auditHeadPrefix+node)
	if err != nil {
		return 0, unavailable(err)
	}
	if len(response.Kvs) == 0 {
		return 0, nil
	}
	value := response.Kvs[0].Value
	if len(value) != 8 {
		return 0, fmt.Errorf("the head of the audit trail of %s has %d bytes", node, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// SetAuditHead tells it.
func (s *Store) SetAuditHead(ctx context.Context, node string, records uint64) error {
	_, err := s.commit(ctx, nil, []clientv3.Op{clientv3.OpPut(auditHeadPrefix+node, string(binary.BigEndian.AppendUint64(nil, records)))})
	return err
}
