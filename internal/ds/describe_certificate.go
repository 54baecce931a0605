package ds

import (
	"context"
	"slices"

	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

// describeCertificate tells of one authority that a directory trusts (API reference, DescribeCertificate).
func (s *Service) describeCertificate(_ context.Context, call *operation.Call, in *DescribeCertificateRequest) (*DescribeCertificateResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(record.Certificates, certified(*in.CertificateId))
	if at < 0 {
		return nil, noCertificate(*in.CertificateId)
	}
	c := record.Certificates[at]
	described := &Certificate{
		CertificateId: &c.ID, CommonName: optional(c.CommonName), State: &c.State, StateReason: optional(c.Reason), Type: &c.Type,
		ExpiryDateTime: wire.At(c.Expires), RegisteredDateTime: wire.At(c.Registered),
	}
	if c.OCSPURL != "" {
		described.ClientCertAuthSettings = &ClientCertAuthSettings{OCSPUrl: &c.OCSPURL}
	}
	return &DescribeCertificateResult{Certificate: described}, nil
}
