package store

import (
	"context"
	"errors"
)

// Health is how etcd is.
type Health struct {
	Revision    int64
	Size, InUse int64 // of its file, in bytes
}

// Health is that of etcd in this process, or of the first member of the cluster that answers. Its error wraps ErrUnavailable.
func (s *Store) Health(ctx context.Context) (Health, error) {
	endpoints := s.client.Endpoints()
	if s.server != nil {
		endpoints = []string{""}
	}
	var errs []error
	for _, endpoint := range endpoints {
		response, err := s.client.Status(ctx, endpoint)
		if err == nil {
			return Health{Revision: response.Header.Revision, Size: response.DbSize, InUse: response.DbSizeInUse}, nil
		}
		errs = append(errs, err)
	}
	return Health{}, unavailable(errors.Join(errs...))
}
