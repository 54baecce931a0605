package ds

import (
	"context"

	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// listLogSubscriptions lists the log subscriptions of a directory, or of all of the caller's in the Region (API reference,
// ListLogSubscriptions).
func (s *Service) listLogSubscriptions(_ context.Context, call *operation.Call, in *ListLogSubscriptionsRequest) (*ListLogSubscriptionsResult, error) {
	if in.DirectoryId != nil {
		if _, err := s.find(call, *in.DirectoryId); err != nil {
			return nil, err
		}
	}
	subscribed := s.Directories.Where(func(record store.Directory) bool {
		return record.Account == call.Account && inRegion(record, call.Region) && record.LogSubscription != nil && (in.DirectoryId == nil || record.ID == *in.DirectoryId)
	}, "", 1<<20)
	page, next, err := pageOf(s, call, "ListLogSubscriptions/"+value(in.DirectoryId), in.NextToken, in.Limit, subscribed, func(record store.Directory) string { return record.ID })
	out := &ListLogSubscriptionsResult{LogSubscriptions: []LogSubscription{}, NextToken: next}
	for _, record := range page {
		of := record.LogSubscription
		out.LogSubscriptions = append(out.LogSubscriptions, LogSubscription{DirectoryId: &record.ID, LogGroupName: &of.Group, SubscriptionCreatedDateTime: wire.At(of.Created)})
	}
	return out, err
}
