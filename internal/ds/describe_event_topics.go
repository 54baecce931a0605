package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// describeEventTopics lists the topics that a directory, or any of the caller's in the Region, tells of its stages (API
// reference, DescribeEventTopics).
func (s *Service) describeEventTopics(_ context.Context, call *operation.Call, in *DescribeEventTopicsRequest) (*DescribeEventTopicsResult, error) {
	if in.TopicNames != nil && len(in.TopicNames) == 0 {
		return nil, fault.New(fault.InvalidParameter, "TopicNames must not be empty.")
	}
	if in.DirectoryId != nil {
		if _, err := s.find(call, *in.DirectoryId); err != nil {
			return nil, err
		}
	}
	out := &DescribeEventTopicsResult{EventTopics: []EventTopic{}}
	missing := slices.Clone(in.TopicNames)
	for _, record := range s.Directories.Where(func(record store.Directory) bool {
		return record.Account == call.Account && inRegion(record, call.Region) && (in.DirectoryId == nil || record.ID == *in.DirectoryId)
	}, "", 1<<20) {
		for _, topic := range record.EventTopics {
			if in.TopicNames != nil && !slices.Contains(in.TopicNames, topic.Name) {
				continue
			}
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == topic.Name })
			arn, state := lifecycle.TopicARN(record, topic.Name), topic.State
			if !s.Topics.Has(topic.Name) {
				state = lifecycle.TopicNotFound
			}
			out.EventTopics = append(out.EventTopics, EventTopic{
				DirectoryId: &record.ID, TopicName: &topic.Name, TopicArn: &arn, Status: &state, CreatedDateTime: wire.At(topic.Created),
			})
		}
	}
	if len(missing) > 0 {
		return nil, fault.Newf(fault.EntityDoesNotExist, "Topic %s is not registered.", missing[0])
	}
	return out, nil
}
