package ds

import "latchkey/internal/operation"

// hybridRows are about hybrid directories and their assessments.
func (s *Service) hybridRows() []operation.Spec {
	return []operation.Spec{
		operation.New("CreateHybridAD", operation.Write, nil, s.createHybridAD).With(operation.Refused, "attach the domain instead"),
		operation.New("DeleteADAssessment", operation.Write, nil, s.deleteADAssessment).With(operation.Refused, "there are none: EntityDoesNotExistException"),
		operation.New("DescribeADAssessment", operation.Read, nil, s.describeADAssessment).With(operation.Refused, "there are none: EntityDoesNotExistException"),
		operation.New("DescribeHybridADUpdate", operation.Read, func(in *DescribeHybridADUpdateRequest) string { return *in.DirectoryId }, s.describeHybridADUpdate).With(operation.Refused, "there are no hybrid directories"),
		operation.New("ListADAssessments", operation.Read, func(in *ListADAssessmentsRequest) string { return value(in.DirectoryId) }, s.listADAssessments).With(operation.Recorded, "always empty"),
		operation.New("StartADAssessment", operation.Write, func(in *StartADAssessmentRequest) string { return value(in.DirectoryId) }, s.startADAssessment).With(operation.Refused, "latchkey directory check examines a domain"),
		operation.New("UpdateHybridAD", operation.Write, func(in *UpdateHybridADRequest) string { return *in.DirectoryId }, s.updateHybridAD).With(operation.Refused, "there are no hybrid directories"),
	}
}
