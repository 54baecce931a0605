package ds

import (
	"context"
	"strings"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// createAlias gives a directory the name of its access URL, once and for good (API reference, CreateAlias). Nobody else gets
// the name any more, also after the directory is gone.
func (s *Service) createAlias(ctx context.Context, call *operation.Call, in *CreateAliasRequest) (*CreateAliasResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	named := fault.New(fault.InvalidParameter, "The directory in the request already has an alias. That alias must be deleted before a new alias can be created.")
	if record.Alias != "" {
		return nil, named
	}
	owner, err := s.Claim(ctx, lifecycle.AliasPrefix+strings.ToLower(*in.Alias), []byte(record.ID))
	if err != nil {
		return nil, err
	}
	if string(owner) != record.ID {
		return nil, fault.Newf(fault.EntityAlreadyExists, "Alias '%s' already exists.", *in.Alias)
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if record.Alias != "" {
			return named
		}
		record.Alias = *in.Alias
		return nil
	})
	return &CreateAliasResult{Alias: in.Alias, DirectoryId: in.DirectoryId}, err
}
