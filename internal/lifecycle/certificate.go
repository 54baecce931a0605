package lifecycle

import (
	"context"
	"slices"

	"latchkey/internal/store"
)

// AWS's states of a certificate and of LDAPS (API reference, Certificate and LDAPSSettingInfo).
const (
	registering   = "Registering"
	registered    = "Registered"
	deregistering = "Deregistering"
	enabling      = "Enabling"
	enabled       = "Enabled"
)

// NewCertificateID is an id for a new certificate.
func NewCertificateID() string { return "c-" + random() }

// settleCertificates registers certificates and takes out those that go, and turns LDAPS on.
func (w *Worker) settleCertificates(ctx context.Context, record store.Directory) error {
	moving := func(c store.Certificate) bool { return c.State == registering || c.State == deregistering }
	if !slices.ContainsFunc(record.Certificates, moving) && record.LDAPS.State != enabling {
		return nil
	}
	_, err := w.directories.Update(ctx, record.ID, func(record *store.Directory) error {
		record.Certificates = slices.DeleteFunc(record.Certificates, func(c store.Certificate) bool { return c.State == deregistering })
		for i := range record.Certificates {
			w.turn(&record.Certificates[i].Status, registered)
		}
		if record.LDAPS.State == enabling {
			w.turn(&record.LDAPS, enabled)
		}
		return nil
	})
	return err
}
