package ds

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// enableClientAuthentication lets users log in to the directory with certificates of the registered authorities: besides
// their passwords, or, with the type SmartCard, instead of them (API reference, EnableClientAuthentication).
func (s *Service) enableClientAuthentication(ctx context.Context, call *operation.Call, in *EnableClientAuthenticationRequest) (*EnableClientAuthenticationResult, error) {
	record, err := s.findAuthenticating(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		switch {
		case len(record.ClientAuth) > 0:
			return fault.New(fault.InvalidClientAuthStatus, "Client authentication is Enabled already.")
		case !registered(*record, CertificateTypeClientCertAuth, ""):
			return fault.New(fault.NoAvailableCertificate, "Client authentication needs a registered certificate of the type ClientCertAuth.")
		}
		record.ClientAuth = map[string]store.Status{*in.Type: {State: ClientAuthenticationStatusEnabled, Since: call.Time}}
		return nil
	})
	return &EnableClientAuthenticationResult{}, err
}

// findAuthenticating is findDirectory for one whose LDAP server is this one: it looks at certificates.
func (s *Service) findAuthenticating(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.findDirectory(call, id)
	if err != nil {
		return record, err
	}
	if record.Type != string(directory.MicrosoftAD) || lifecycle.EngineName(record) != lifecycle.Embedded {
		return record, fault.New(fault.UnsupportedOperation, "Client authentication is supported only for an embedded directory of the type MicrosoftAD.")
	}
	return record, nil
}
