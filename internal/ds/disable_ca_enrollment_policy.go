package ds

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// disableCAEnrollmentPolicy finds no policy to disable (API reference, DisableCAEnrollmentPolicy).
func (s *Service) disableCAEnrollmentPolicy(_ context.Context, call *operation.Call, in *DisableCAEnrollmentPolicyRequest) (*DisableCAEnrollmentPolicyResult, error) {
	record, err := s.findEnrolling(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	return nil, fault.Newf(fault.EntityDoesNotExist, "Directory %s has no CA enrollment policy.", record.ID)
}

// findEnrolling is findDirectory for one that could enroll certificates, on AWS.
func (s *Service) findEnrolling(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.findDirectory(call, id)
	switch {
	case err != nil:
		return record, err
	case record.Type != string(directory.MicrosoftAD):
		return record, fault.Newf(fault.InvalidParameter, "The operation is not supported for a directory of the type %s.", record.Type)
	}
	return record, available(record)
}
