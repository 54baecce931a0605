// Package cloudtrail answers the one operation of AWS CloudTrail that there is here: LookupEvents, which reads the audit trail.
package cloudtrail

import "latchkey/internal/operation"

// Sealer makes tokens that only this server can have made. Open's error is for anything else than what Seal gave for the same
// owner.
type Sealer interface {
	Seal(plain []byte, owner string) []byte
	Open(sealed []byte, owner string) ([]byte, error)
}

// Service is what the operation needs.
type Service struct {
	// Dir is the audit trail's.
	Dir    string
	Tokens Sealer
}

// Table is all operations of the service.
func (s *Service) Table() (operation.Table, error) {
	return operation.NewTable(operation.New("LookupEvents", operation.Read, nil, s.lookupEvents))
}
