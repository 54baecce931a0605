package ds

import (
	"context"

	"latchkey/internal/operation"
)

// deleteADAssessment finds none (API reference, DeleteADAssessment).
func (s *Service) deleteADAssessment(_ context.Context, _ *operation.Call, in *DeleteADAssessmentRequest) (*DeleteADAssessmentResult, error) {
	return nil, noAssessment(*in.AssessmentId)
}
