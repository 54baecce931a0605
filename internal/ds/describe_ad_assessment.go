package ds

import (
	"context"

	"latchkey/internal/operation"
)

// describeADAssessment finds none (API reference, DescribeADAssessment).
func (s *Service) describeADAssessment(_ context.Context, _ *operation.Call, in *DescribeADAssessmentRequest) (*DescribeADAssessmentResult, error) {
	return nil, noAssessment(*in.AssessmentId)
}
