package ds

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// deleteLogSubscription ends what CreateLogSubscription began (API reference, DeleteLogSubscription).
func (s *Service) deleteLogSubscription(ctx context.Context, call *operation.Call, in *DeleteLogSubscriptionRequest) (*DeleteLogSubscriptionResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if record.LogSubscription == nil {
			return fault.Newf(fault.EntityDoesNotExist, "Directory %s has no log subscription.", record.ID)
		}
		record.LogSubscription = nil
		return nil
	})
	return &DeleteLogSubscriptionResult{}, err
}
