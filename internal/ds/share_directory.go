package ds

import (
	"context"
	"errors"
	"regexp"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// shareLimits is with how many accounts a directory of each edition is shared at most (AWS Administration Guide, "AWS Managed
// Microsoft AD quotas").
var shareLimits = map[string]int{DirectoryEditionStandard: 5, DirectoryEditionEnterprise: 125}

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// shareDirectory offers a Managed Microsoft AD to another account, which may accept it (API reference, ShareDirectory).
func (s *Service) shareDirectory(ctx context.Context, call *operation.Call, in *ShareDirectoryRequest) (*ShareDirectoryResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	target := *in.ShareTarget.Id
	switch {
	case *in.ShareMethod == ShareMethodORGANIZATIONS:
		return nil, fault.New(fault.Organizations, "The account is in no organization. Share the directory by HANDSHAKE.")
	case !accountPattern.MatchString(target):
		return nil, fault.Newf(fault.InvalidTarget, "%s is not the number of an account.", target)
	case target == call.Account:
		return nil, fault.New(fault.InvalidTarget, "A directory can't be shared with its owner.")
	case record.Stage != lifecycle.Active && record.Stage != lifecycle.Impaired:
		return nil, fault.Newf(fault.Client, "The operation can't be performed now: directory %s is %s.", record.ID, record.Stage)
	}
	limit := shareLimits[orElse(record.Edition, defaultEdition)]
	shared, err := s.Lifecycle.Share(ctx, record, target, store.Share{Method: *in.ShareMethod, Notes: string(in.ShareNotes.Bytes())}, limit)
	switch {
	case errors.Is(err, lifecycle.ErrShared):
		return nil, fault.Newf(fault.DirectoryAlreadyShared, "Directory %s is shared with account %s already.", record.ID, target)
	case errors.Is(err, lifecycle.ErrShareLimit):
		return nil, fault.Newf(fault.ShareLimitExceeded, "A directory of this edition is shared with at most %d accounts.", limit)
	case err != nil:
		return nil, StoreFault(record.ID, err)
	}
	return &ShareDirectoryResult{SharedDirectoryId: &shared.ID}, nil
}

// findShare is the caller's share of that id, which somebody else owns.
func (s *Service) findShare(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.find(call, id)
	if err == nil && record.Share == nil {
		err = fault.Newf(fault.InvalidParameter, "Directory %s is not shared with this account.", id)
	}
	return record, err
}
