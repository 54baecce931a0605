package ds

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// maxCertificates is how many certificates a directory has at most (AWS Administration Guide, "Enable LDAPS").
const maxCertificates = 5

// registerCertificate has a directory trust an authority: for LDAPS, or for the certificates that users log in with (API
// reference, RegisterCertificate).
func (s *Service) registerCertificate(ctx context.Context, call *operation.Call, in *RegisterCertificateRequest) (*RegisterCertificateResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	certificate := store.Certificate{
		ID: lifecycle.NewCertificateID(), Type: orElse(value(in.Type), CertificateTypeClientLDAPS), PEM: *in.CertificateData,
		Registered: call.Time, Status: store.Status{State: CertificateStateRegistering, Since: call.Time},
	}
	if in.ClientCertAuthSettings != nil {
		if certificate.Type != CertificateTypeClientCertAuth {
			return nil, fault.New(fault.InvalidParameter, "ClientCertAuthSettings are for a certificate of the type ClientCertAuth.")
		}
		certificate.OCSPURL = value(in.ClientCertAuthSettings.OCSPUrl)
	}
	authority, err := readAuthority(*in.CertificateData, call.Time)
	if err != nil {
		return nil, err
	}
	certificate.CommonName, certificate.Expires = authority.Subject.CommonName, authority.NotAfter.UTC()
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		for _, there := range record.Certificates {
			if block, _ := pem.Decode([]byte(there.PEM)); there.Type == certificate.Type && block != nil && bytes.Equal(block.Bytes, authority.Raw) {
				return fault.Newf(fault.CertificateAlreadyExists, "The certificate is registered already, as %s.", there.ID)
			}
		}
		if len(record.Certificates) >= maxCertificates {
			return fault.Newf(fault.CertificateLimitExceeded, "A directory has at most %d certificates.", maxCertificates)
		}
		record.Certificates = append(record.Certificates, certificate)
		return nil
	})
	return &RegisterCertificateResult{CertificateId: &certificate.ID}, err
}

// readAuthority is the one certificate in a PEM text: of an authority, and not expired.
func readAuthority(text string, now time.Time) (*x509.Certificate, error) {
	invalid := func(why string) error {
		return fault.New(fault.InvalidCertificate, "The certificate PEM is not valid: "+why+".")
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, invalid("it does not hold one certificate and nothing else")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return nil, invalid("it can't be read")
	case !certificate.IsCA:
		return nil, invalid("it is not the certificate of an authority")
	case now.After(certificate.NotAfter):
		return nil, invalid("it expired on " + certificate.NotAfter.UTC().Format(time.DateOnly))
	}
	return certificate, nil
}

// findTrusting is findDirectory for one that trusts authorities.
func (s *Service) findTrusting(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.findDirectory(call, id)
	if err == nil && record.Type != string(directory.MicrosoftAD) && record.Type != lifecycle.ADConnector {
		err = fault.New(fault.UnsupportedOperation, "LDAPS operations are not supported for this Directory Type.")
	}
	return record, err
}

// registered tells whether the directory has a certificate of the type that is in force.
func registered(record store.Directory, kind, but string) bool {
	for _, c := range record.Certificates {
		if c.Type == kind && c.ID != but && c.State == CertificateStateRegistered {
			return true
		}
	}
	return false
}
