package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// enableCAEnrollmentPolicy finds no connector to AWS Private CA (API reference, EnableCAEnrollmentPolicy).
func (s *Service) enableCAEnrollmentPolicy(_ context.Context, call *operation.Call, in *EnableCAEnrollmentPolicyRequest) (*EnableCAEnrollmentPolicyResult, error) {
	if _, err := s.findEnrolling(call, *in.DirectoryId); err != nil {
		return nil, err
	}
	return nil, fault.Newf(fault.EntityDoesNotExist, "The connector %s does not exist.", *in.PcaConnectorArn)
}
