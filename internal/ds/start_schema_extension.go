package ds

import (
	"context"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// startSchemaExtension begins to extend the schema of a Managed Microsoft AD by an LDIF (API reference, StartSchemaExtension),
// after the snapshot that may go before it.
func (s *Service) startSchemaExtension(ctx context.Context, call *operation.Call, in *StartSchemaExtensionRequest) (*StartSchemaExtensionResult, error) {
	record, err := s.findExtensible(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	if !s.Lifecycle.ExtendsSchema(record) {
		return nil, fault.New(fault.Client, "The operation is not supported: the domain is run by somebody else, and so is its schema.")
	}
	domain, err := lifecycle.Domain(record)
	if err != nil {
		return nil, err
	}
	if _, err := directory.ReadSchema(domain, *in.LdifContent); err != nil {
		return nil, fault.Newf(fault.InvalidParameter, "%s.", sentence(err.Error())).Because(err)
	}
	extension := store.SchemaExtension{Description: *in.Description, LDIF: *in.LdifContent}
	if *in.CreateSnapshotBeforeSchemaExtension {
		snapshot, err := s.Lifecycle.CreateSnapshot(ctx, record, "")
		if errors.Is(err, lifecycle.ErrSnapshotLimit) {
			return nil, snapshotLimit(record)
		}
		if err != nil {
			return nil, snapshotFault(record, err)
		}
		extension.Snapshot = snapshot.ID
	}
	extension, err = s.Lifecycle.ExtendSchema(ctx, record, extension)
	if err != nil {
		return nil, StoreFault(record.ID, err)
	}
	return &StartSchemaExtensionResult{SchemaExtensionId: &extension.ID}, nil
}

// findExtensible is find for a directory that has a schema of its own.
func (s *Service) findExtensible(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.find(call, id)
	if err == nil && record.Type != string(directory.MicrosoftAD) {
		err = fault.Newf(fault.Client, "Schema extensions are not supported for a directory of the type %s.", record.Type)
	}
	return record, err
}
