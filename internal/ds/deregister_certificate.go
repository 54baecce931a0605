package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// deregisterCertificate ends the trust in an authority, unless it is the last that something rests on (API reference,
// DeregisterCertificate).
func (s *Service) deregisterCertificate(ctx context.Context, call *operation.Call, in *DeregisterCertificateRequest) (*DeregisterCertificateResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		at := slices.IndexFunc(record.Certificates, certified(*in.CertificateId))
		if at < 0 {
			return noCertificate(*in.CertificateId)
		}
		c := &record.Certificates[at]
		inUse := c.Type == CertificateTypeClientLDAPS && ldapsState(*record) != LDAPSStatusDisabled ||
			c.Type == CertificateTypeClientCertAuth && len(record.ClientAuth) > 0
		if inUse && !registered(*record, c.Type, c.ID) {
			return fault.Newf(fault.CertificateInUse, "Certificate %s is being used and can't be removed before LDAPS or client authentication is disabled.", c.ID)
		}
		c.Status = store.Status{State: CertificateStateDeregistering, Since: call.Time}
		return nil
	})
	return &DeregisterCertificateResult{}, err
}

func certified(id string) func(store.Certificate) bool {
	return func(c store.Certificate) bool { return c.ID == id }
}

func noCertificate(id string) error {
	return fault.Newf(fault.CertificateDoesNotExist, "Certificate %s does not exist.", id)
}
