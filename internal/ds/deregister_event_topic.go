package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// deregisterEventTopic ends what RegisterEventTopic began (API reference, DeregisterEventTopic).
func (s *Service) deregisterEventTopic(ctx context.Context, call *operation.Call, in *DeregisterEventTopicRequest) (*DeregisterEventTopicResult, error) {
	if _, err := s.find(call, *in.DirectoryId); err != nil {
		return nil, err
	}
	_, err := s.update(ctx, *in.DirectoryId, func(record *store.Directory) error {
		if !slices.ContainsFunc(record.EventTopics, named(*in.TopicName)) {
			return fault.Newf(fault.EntityDoesNotExist, "Topic %s is not registered for directory %s.", *in.TopicName, record.ID)
		}
		record.EventTopics = slices.DeleteFunc(record.EventTopics, named(*in.TopicName))
		return nil
	})
	return &DeregisterEventTopicResult{}, err
}
