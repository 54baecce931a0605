package ds

import "latchkey/internal/operation"

const topicNote = "stages go to the webhook that --event-topic names, in the form of Amazon SNS, in their order, at least once"

// eventRows are about log subscriptions and event topics.
func (s *Service) eventRows() []operation.Spec {
	return []operation.Spec{
		operation.New("CreateLogSubscription", operation.Write, func(in *CreateLogSubscriptionRequest) string { return *in.DirectoryId }, s.createLogSubscription).
			With(operation.Real, "security events go as JSON lines to the file or endpoint that --log-group names; an attached domain keeps its own log"),
		operation.New("DeleteLogSubscription", operation.Write, func(in *DeleteLogSubscriptionRequest) string { return *in.DirectoryId }, s.deleteLogSubscription),
		operation.New("DeregisterEventTopic", operation.Write, func(in *DeregisterEventTopicRequest) string { return *in.DirectoryId }, s.deregisterEventTopic),
		operation.New("DescribeEventTopics", operation.Read, func(in *DescribeEventTopicsRequest) string { return value(in.DirectoryId) }, s.describeEventTopics),
		operation.New("ListLogSubscriptions", operation.Read, func(in *ListLogSubscriptionsRequest) string { return value(in.DirectoryId) }, s.listLogSubscriptions),
		operation.New("RegisterEventTopic", operation.Write, func(in *RegisterEventTopicRequest) string { return *in.DirectoryId }, s.registerEventTopic).With(operation.Real, topicNote),
	}
}
