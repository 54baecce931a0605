package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// errHybrid refuses what would extend a domain of the customer's by AWS's own domain controllers.
var errHybrid = fault.New(fault.UnsupportedOperation, "Hybrid directories are not supported. Attach the domain instead.")

// createHybridAD is refused (API reference, CreateHybridAD).
func (s *Service) createHybridAD(context.Context, *operation.Call, *CreateHybridADRequest) (*CreateHybridADResult, error) {
	return nil, errHybrid
}

// findHybrid refuses every directory: one that there is is not a hybrid one.
func (s *Service) findHybrid(call *operation.Call, id string) error {
	if _, err := s.findDirectory(call, id); err != nil {
		return err
	}
	return errHybrid
}

// noAssessment refuses every assessment: there are none.
func noAssessment(id string) error {
	return fault.Newf(fault.EntityDoesNotExist, "Assessment %s does not exist.", id)
}
