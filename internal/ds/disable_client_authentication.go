package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// disableClientAuthentication ends what EnableClientAuthentication began (API reference, DisableClientAuthentication).
func (s *Service) disableClientAuthentication(ctx context.Context, call *operation.Call, in *DisableClientAuthenticationRequest) (*DisableClientAuthenticationResult, error) {
	record, err := s.findAuthenticating(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if _, ok := record.ClientAuth[*in.Type]; !ok {
			return fault.Newf(fault.InvalidClientAuthStatus, "Client authentication of the type %s is not Enabled.", *in.Type)
		}
		record.ClientAuth = nil
		return nil
	})
	return &DisableClientAuthenticationResult{}, err
}
