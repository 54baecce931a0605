package ds

import "latchkey/internal/operation"

// schemaRows extend the schema.
func (s *Service) schemaRows() []operation.Spec {
	return []operation.Spec{
		operation.New("CancelSchemaExtension", operation.Write, func(in *CancelSchemaExtensionRequest) string { return *in.DirectoryId }, s.cancelSchemaExtension),
		operation.New("ListSchemaExtensions", operation.Read, func(in *ListSchemaExtensionsRequest) string { return *in.DirectoryId }, s.listSchemaExtensions),
		operation.New("StartSchemaExtension", operation.Write, func(in *StartSchemaExtensionRequest) string { return *in.DirectoryId }, s.startSchemaExtension).
			With(operation.Real, "on Samba in the domain's schema, on an embedded directory in its own; attached domains are not ours to extend"),
	}
}
