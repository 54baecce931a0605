package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// maxTopics is how many topics a directory tells of its stages.
const maxTopics = 10

// registerEventTopic has a topic told of a directory's stages from now on; registering twice changes nothing (API reference,
// RegisterEventTopic).
func (s *Service) registerEventTopic(ctx context.Context, call *operation.Call, in *RegisterEventTopicRequest) (*RegisterEventTopicResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if !s.Topics.Has(*in.TopicName) {
		return nil, fault.Newf(fault.EntityDoesNotExist, "Topic %s does not exist: the server was not told where it is (--event-topic).", *in.TopicName)
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		switch {
		case slices.ContainsFunc(record.EventTopics, named(*in.TopicName)):
		case len(record.EventTopics) == maxTopics:
			return fault.Newf(fault.InvalidParameter, "A directory has at most %d event topics.", maxTopics)
		default:
			record.EventTopics = append(record.EventTopics, store.EventTopic{
				Name: *in.TopicName, Created: call.Time, Status: store.Status{State: lifecycle.TopicRegistered, Since: call.Time},
			})
		}
		return nil
	})
	return &RegisterEventTopicResult{}, err
}

func named(name string) func(store.EventTopic) bool {
	return func(t store.EventTopic) bool { return t.Name == name }
}
