package ds

import "latchkey/internal/operation"

// certificateRows are about certificates, LDAPS and client authentication.
func (s *Service) certificateRows() []operation.Spec {
	return []operation.Spec{
		operation.New("DeregisterCertificate", operation.Write, func(in *DeregisterCertificateRequest) string { return *in.DirectoryId }, s.deregisterCertificate),
		operation.New("DescribeCertificate", operation.Read, func(in *DescribeCertificateRequest) string { return *in.DirectoryId }, s.describeCertificate),
		operation.New("DescribeClientAuthenticationSettings", operation.Read, func(in *DescribeClientAuthenticationSettingsRequest) string { return *in.DirectoryId }, s.describeClientAuthenticationSettings),
		operation.New("DescribeLDAPSSettings", operation.Read, func(in *DescribeLDAPSSettingsRequest) string { return *in.DirectoryId }, s.describeLDAPSSettings).
			With(operation.Recorded, ""),
		operation.New("DisableClientAuthentication", operation.Write, func(in *DisableClientAuthenticationRequest) string { return *in.DirectoryId }, s.disableClientAuthentication),
		operation.New("DisableLDAPS", operation.Write, func(in *DisableLDAPSRequest) string { return *in.DirectoryId }, s.disableLDAPS).
			With(operation.Recorded, ""),
		operation.New("EnableClientAuthentication", operation.Write, func(in *EnableClientAuthenticationRequest) string { return *in.DirectoryId }, s.enableClientAuthentication).
			With(operation.Real, "the embedded directory's LDAP server takes certificates of the registered authorities (SASL EXTERNAL); other engines refuse"),
		operation.New("EnableLDAPS", operation.Write, func(in *EnableLDAPSRequest) string { return *in.DirectoryId }, s.enableLDAPS).
			With(operation.Recorded, "connections to a domain are always LDAPS; an AD Connector trusts the registered authorities whether this is on or off"),
		operation.New("ListCertificates", operation.Read, func(in *ListCertificatesRequest) string { return *in.DirectoryId }, s.listCertificates),
		operation.New("RegisterCertificate", operation.Write, func(in *RegisterCertificateRequest) string { return *in.DirectoryId }, s.registerCertificate).
			With(operation.Real, "AD Connectors trust authorities of the type ClientLDAPS, logins with certificates those of the type ClientCertAuth; a Managed Microsoft AD keeps the former without effect"),
	}
}
