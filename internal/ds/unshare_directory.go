package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// unshareDirectory takes a directory away from an account (API reference, UnshareDirectory).
func (s *Service) unshareDirectory(ctx context.Context, call *operation.Call, in *UnshareDirectoryRequest) (*UnshareDirectoryResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	target := *in.UnshareTarget.Id
	if !accountPattern.MatchString(target) {
		return nil, fault.Newf(fault.InvalidTarget, "%s is not the number of an account.", target)
	}
	for _, share := range s.Lifecycle.Shares(record.ID) {
		if share.Account != target {
			continue
		}
		if share.Stage != lifecycle.Deleting {
			err = s.Lifecycle.Delete(ctx, share)
		}
		return &UnshareDirectoryResult{SharedDirectoryId: &share.ID}, StoreFault(share.ID, err)
	}
	return nil, fault.Newf(fault.DirectoryNotShared, "Directory %s is not shared with account %s.", record.ID, target)
}
