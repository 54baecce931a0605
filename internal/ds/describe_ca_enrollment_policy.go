package ds

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// describeCAEnrollmentPolicy tells that a directory enrolls no certificates (API reference, DescribeCAEnrollmentPolicy).
func (s *Service) describeCAEnrollmentPolicy(_ context.Context, call *operation.Call, in *DescribeCAEnrollmentPolicyRequest) (*DescribeCAEnrollmentPolicyResult, error) {
	record, err := s.findDirectory(call, *in.DirectoryId)
	if err == nil {
		err = only(record, directory.MicrosoftAD)
	}
	status := CaEnrollmentPolicyStatusDisabled
	return &DescribeCAEnrollmentPolicyResult{DirectoryId: in.DirectoryId, CaEnrollmentPolicyStatus: &status}, err
}
