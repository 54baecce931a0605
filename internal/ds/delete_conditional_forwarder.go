package ds

import (
	"context"
	"slices"

	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// deleteConditionalForwarder lets a directory's DNS forget another domain (API reference, DeleteConditionalForwarder).
func (s *Service) deleteConditionalForwarder(ctx context.Context, call *operation.Call, in *DeleteConditionalForwarderRequest) (*DeleteConditionalForwarderResult, error) {
	record, err := s.findOwn(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		before := len(record.Forwarders)
		record.Forwarders = slices.DeleteFunc(record.Forwarders, forwards(*in.RemoteDomainName))
		if len(record.Forwarders) == before {
			return missingForwarder(*in.RemoteDomainName)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &DeleteConditionalForwarderResult{}, nil
}
