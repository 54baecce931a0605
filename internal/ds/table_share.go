package ds

import "latchkey/internal/operation"

// shareRows share directories with other accounts.
func (s *Service) shareRows() []operation.Spec {
	return []operation.Spec{
		operation.New("AcceptSharedDirectory", operation.Write, func(in *AcceptSharedDirectoryRequest) string { return *in.SharedDirectoryId }, s.acceptSharedDirectory),
		operation.New("DescribeSharedDirectories", operation.Read, func(in *DescribeSharedDirectoriesRequest) string { return *in.OwnerDirectoryId }, s.describeSharedDirectories),
		operation.New("RejectSharedDirectory", operation.Write, func(in *RejectSharedDirectoryRequest) string { return *in.SharedDirectoryId }, s.rejectSharedDirectory),
		operation.New("ShareDirectory", operation.Write, func(in *ShareDirectoryRequest) string { return *in.DirectoryId }, s.shareDirectory).
			With(operation.Real, "by HANDSHAKE, between the accounts of this server; ORGANIZATIONS is OrganizationsException"),
		operation.New("UnshareDirectory", operation.Write, func(in *UnshareDirectoryRequest) string { return *in.DirectoryId }, s.unshareDirectory),
	}
}
