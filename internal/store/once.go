package store

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const oncePrefix = root + "once/"

// Once is the value that whoever came first has given to a name: value, if nobody has yet. It writes only then.
func (s *Store) Once(ctx context.Context, name string, value []byte) ([]byte, error) {
	key := oncePrefix + name
	for {
		response, err := s.client.Get(ctx, key)
		if err != nil {
			return nil, unavailable(err)
		}
		if len(response.Kvs) > 0 {
			return response.Kvs[0].Value, nil
		}
		_, err = s.commit(ctx, []clientv3.Cmp{unchanged(key, 0)}, []clientv3.Op{clientv3.OpPut(key, string(value))})
		if err == nil {
			return value, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, err
		}
	}
}

// Given is the value that was given to a name; ErrNotFound if nobody has.
func (s *Store) Given(ctx context.Context, name string) ([]byte, error) {
	response, err := s.client.Get(ctx, oncePrefix+name)
	switch {
	case err != nil:
		return nil, unavailable(err)
	case len(response.Kvs) == 0:
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return response.Kvs[0].Value, nil
}

// Forget lets the names that begin so be given anew.
func (s *Store) Forget(ctx context.Context, prefix string) error {
	_, err := s.commit(ctx, nil, []clientv3.Op{clientv3.OpDelete(oncePrefix+prefix, clientv3.WithPrefix())})
	return err
}
