package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// cancelSchemaExtension ends a schema extension that has not begun to change the schema (API reference, CancelSchemaExtension).
func (s *Service) cancelSchemaExtension(ctx context.Context, call *operation.Call, in *CancelSchemaExtensionRequest) (*CancelSchemaExtensionResult, error) {
	record, err := s.findExtensible(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	extensions := s.Lifecycle.SchemaExtensions()
	extension, err := extensions.Find(*in.SchemaExtensionId)
	if err != nil || extension.Directory != record.ID {
		return nil, fault.Newf(fault.EntityDoesNotExist, "Schema extension %s does not exist in directory %s.", *in.SchemaExtensionId, record.ID).Because(err)
	}
	_, err = extensions.Update(ctx, extension.ID, func(x *store.SchemaExtension) error {
		if x.State != lifecycle.SchemaInitializing && x.State != lifecycle.SchemaCreatingSnapshot {
			return fault.Newf(fault.Client, "Schema extension %s can't be cancelled any more: it is %s.", x.ID, x.State)
		}
		x.Status = store.Status{State: lifecycle.SchemaCancelling, Since: call.Time}
		return nil
	})
	return &CancelSchemaExtensionResult{}, StoreFault(record.ID, err)
}
