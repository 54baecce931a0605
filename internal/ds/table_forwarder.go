package ds

import "latchkey/internal/operation"

// forwarderRows are about conditional forwarders.
func (s *Service) forwarderRows() []operation.Spec {
	const note = "on Samba the domain controllers' DNS forwards; an embedded directory has no DNS, and keeps them"
	return []operation.Spec{
		operation.New("CreateConditionalForwarder", operation.Write, func(in *CreateConditionalForwarderRequest) string { return *in.DirectoryId }, s.createConditionalForwarder).With(operation.Real, note),
		operation.New("DeleteConditionalForwarder", operation.Write, func(in *DeleteConditionalForwarderRequest) string { return *in.DirectoryId }, s.deleteConditionalForwarder),
		operation.New("DescribeConditionalForwarders", operation.Read, func(in *DescribeConditionalForwardersRequest) string { return *in.DirectoryId }, s.describeConditionalForwarders),
		operation.New("UpdateConditionalForwarder", operation.Write, func(in *UpdateConditionalForwarderRequest) string { return *in.DirectoryId }, s.updateConditionalForwarder),
	}
}
