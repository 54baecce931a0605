package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// acceptSharedDirectory takes a directory that another account offers (API reference, AcceptSharedDirectory).
func (s *Service) acceptSharedDirectory(ctx context.Context, call *operation.Call, in *AcceptSharedDirectoryRequest) (*AcceptSharedDirectoryResult, error) {
	record, err := s.answerShare(ctx, call, *in.SharedDirectoryId, ShareStatusSharing)
	if err != nil {
		return nil, err
	}
	shared := describeShare(record)
	return &AcceptSharedDirectoryResult{SharedDirectory: &shared}, nil
}

// answerShare begins to take what is offered, or to turn it down.
func (s *Service) answerShare(ctx context.Context, call *operation.Call, id, state string) (store.Directory, error) {
	if _, err := s.findShare(call, id); err != nil {
		return store.Directory{}, err
	}
	return s.update(ctx, id, func(record *store.Directory) error {
		switch *shareStatus(*record) {
		case ShareStatusPendingAcceptance:
		case ShareStatusShared, ShareStatusSharing:
			return fault.Newf(fault.DirectoryAlreadyShared, "Directory %s is %s already.", id, record.Share.State)
		default:
			return fault.Newf(fault.Client, "Directory %s can't be answered any more: it is %s.", id, *shareStatus(*record))
		}
		record.Share.Status = store.Status{State: state, Since: call.Time}
		return nil
	})
}

// shareStatus is the state of a share, which ends with the record.
func shareStatus(record store.Directory) *string {
	status := record.Share.State
	if record.Stage == lifecycle.Deleting {
		status = ShareStatusDeleting
	}
	return &status
}

func describeShare(record store.Directory) SharedDirectory {
	share := record.Share
	d := SharedDirectory{
		OwnerAccountId: &share.OwnerAccount, OwnerDirectoryId: &share.OwnerDirectory, SharedAccountId: &record.Account, SharedDirectoryId: &record.ID,
		ShareMethod: &share.Method, ShareStatus: shareStatus(record), CreatedDateTime: wire.At(share.Created), LastUpdatedDateTime: wire.At(share.Since),
	}
	if share.Notes != "" {
		d.ShareNotes = wire.NewSecret([]byte(share.Notes))
	}
	return d
}
