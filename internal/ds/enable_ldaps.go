package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// enableLDAPS has the service demand, where it is a client of the domain, a certificate of a registered authority (API
// reference, EnableLDAPS).
func (s *Service) enableLDAPS(ctx context.Context, call *operation.Call, in *EnableLDAPSRequest) (*EnableLDAPSResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		switch state := ldapsState(*record); {
		case state != LDAPSStatusDisabled && state != LDAPSStatusEnableFailed:
			return fault.Newf(fault.InvalidLDAPSStatus, "LDAPS is %s already.", state)
		case !registered(*record, CertificateTypeClientLDAPS, ""):
			return fault.New(fault.NoAvailableCertificate, "LDAPS needs a registered certificate of the type ClientLDAPS.")
		}
		record.LDAPS = store.Status{State: LDAPSStatusEnabling, Since: call.Time}
		return nil
	})
	return &EnableLDAPSResult{}, err
}

// ldapsState is the state of LDAPS: off, unless somebody turned it on.
func ldapsState(record store.Directory) string {
	return orElse(record.LDAPS.State, LDAPSStatusDisabled)
}
