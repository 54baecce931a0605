package ds

import (
	"context"

	"latchkey/internal/operation"
)

// startADAssessment is refused (API reference, StartADAssessment).
func (s *Service) startADAssessment(_ context.Context, call *operation.Call, in *StartADAssessmentRequest) (*StartADAssessmentResult, error) {
	if in.DirectoryId != nil {
		return nil, s.findHybrid(call, *in.DirectoryId)
	}
	return nil, errHybrid
}
