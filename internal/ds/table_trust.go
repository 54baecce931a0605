package ds

import "latchkey/internal/operation"

// trustRows are about trusts.
func (s *Service) trustRows() []operation.Spec {
	const note = "real between Samba domains, and to others that they reach; an embedded directory keeps it as VerifyFailed or Created, with the reason"
	return []operation.Spec{
		operation.New("CreateTrust", operation.Write, func(in *CreateTrustRequest) string { return *in.DirectoryId }, s.createTrust).With(operation.Real, note),
		operation.New("DeleteTrust", operation.Write, func(in *DeleteTrustRequest) string { return s.directoryOfTrust(in.TrustId) }, s.deleteTrust),
		operation.New("DescribeTrusts", operation.Read, func(in *DescribeTrustsRequest) string { return value(in.DirectoryId) }, s.describeTrusts),
		operation.New("UpdateTrust", operation.Write, func(in *UpdateTrustRequest) string { return s.directoryOfTrust(in.TrustId) }, s.updateTrust).With(operation.Recorded, "an embedded directory keeps selective authentication; Samba can't enforce it, so there enabling it is ClientException"),
		operation.New("VerifyTrust", operation.Write, func(in *VerifyTrustRequest) string { return s.directoryOfTrust(in.TrustId) }, s.verifyTrust),
	}
}
