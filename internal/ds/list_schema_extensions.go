package ds

import (
	"context"

	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// listSchemaExtensions lists the schema extensions of a directory by their ids (API reference, ListSchemaExtensions).
func (s *Service) listSchemaExtensions(_ context.Context, call *operation.Call, in *ListSchemaExtensionsRequest) (*ListSchemaExtensionsResult, error) {
	record, err := s.findExtensible(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	all := s.Lifecycle.SchemaExtensions().Of(record.ID)
	page, next, err := pageOf(s, call, "ListSchemaExtensions/"+record.ID, in.NextToken, in.Limit, all, func(x store.SchemaExtension) string { return x.ID })
	out := &ListSchemaExtensionsResult{SchemaExtensionsInfo: []SchemaExtensionInfo{}, NextToken: next}
	for _, x := range page {
		info := SchemaExtensionInfo{
			DirectoryId: &x.Directory, SchemaExtensionId: &x.ID, Description: optional(x.Description), SchemaExtensionStatus: &x.State,
			SchemaExtensionStatusReason: optional(x.Reason), StartDateTime: wire.At(x.Start),
		}
		if !x.End.IsZero() {
			info.EndDateTime = wire.At(x.End)
		}
		out.SchemaExtensionsInfo = append(out.SchemaExtensionsInfo, info)
	}
	return out, err
}
