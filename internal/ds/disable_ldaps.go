package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// disableLDAPS ends what EnableLDAPS began (API reference, DisableLDAPS).
func (s *Service) disableLDAPS(ctx context.Context, call *operation.Call, in *DisableLDAPSRequest) (*DisableLDAPSResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if state := ldapsState(*record); state != LDAPSStatusEnabled {
			return fault.Newf(fault.InvalidLDAPSStatus, "LDAPS is %s, and can't be disabled.", state)
		}
		record.LDAPS = store.Status{State: LDAPSStatusDisabled, Since: call.Time}
		return nil
	})
	return &DisableLDAPSResult{}, err
}
