package ds

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// createLogSubscription sends the security events of a directory to a log group (API reference, CreateLogSubscription).
func (s *Service) createLogSubscription(ctx context.Context, call *operation.Call, in *CreateLogSubscriptionRequest) (*CreateLogSubscriptionResult, error) {
	record, err := s.findOwn(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if !s.Logs.Has(*in.LogGroupName) {
		return nil, fault.Newf(fault.InsufficientPermissions, "The service may not write to the log group %s: the server was not told where it is (--log-group).", *in.LogGroupName)
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if record.LogSubscription != nil {
			return fault.Newf(fault.EntityAlreadyExists, "Directory %s has a log subscription already.", record.ID)
		}
		record.LogSubscription = &store.LogSubscription{Group: *in.LogGroupName, Created: call.Time}
		return nil
	})
	return &CreateLogSubscriptionResult{}, err
}
