package ds

import (
	"cmp"
	"context"
	"slices"

	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// listCertificates lists the authorities that a directory trusts, by their ids (API reference, ListCertificates).
func (s *Service) listCertificates(_ context.Context, call *operation.Call, in *ListCertificatesRequest) (*ListCertificatesResult, error) {
	record, err := s.findTrusting(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	sorted := slices.SortedFunc(slices.Values(record.Certificates), func(a, b store.Certificate) int { return cmp.Compare(a.ID, b.ID) })
	page, next, err := pageOf(s, call, "ListCertificates/"+record.ID, in.NextToken, in.Limit, sorted, func(c store.Certificate) string { return c.ID })
	out := &ListCertificatesResult{CertificatesInfo: []CertificateInfo{}, NextToken: next}
	for _, c := range page {
		out.CertificatesInfo = append(out.CertificatesInfo, CertificateInfo{
			CertificateId: &c.ID, CommonName: optional(c.CommonName), State: &c.State, Type: &c.Type, ExpiryDateTime: wire.At(c.Expires),
		})
	}
	return out, err
}
