package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// listADAssessments lists none (API reference, ListADAssessments).
func (s *Service) listADAssessments(_ context.Context, call *operation.Call, in *ListADAssessmentsRequest) (*ListADAssessmentsResult, error) {
	if in.DirectoryId != nil {
		if _, err := s.findDirectory(call, *in.DirectoryId); err != nil {
			return nil, err
		}
	}
	if in.NextToken != nil {
		return nil, fault.New(fault.InvalidParameter, "Invalid value passed for the NextToken parameter")
	}
	return &ListADAssessmentsResult{Assessments: []AssessmentSummary{}}, nil
}
