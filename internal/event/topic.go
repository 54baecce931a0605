package event

import (
	"context"
	"encoding/json"
	"time"
)

// Topics is the topics that there are, by their names.
type Topics map[string]Target

// Notification is what a topic's subscriber gets, in the form of Amazon SNS ("HTTP/HTTPS notification JSON format").
type Notification struct {
	Type      string
	MessageID string `json:"MessageId"`
	TopicARN  string `json:"TopicArn"`
	Subject   string
	Message   string
	Timestamp time.Time
}

// Has says whether there is such a topic.
func (t Topics) Has(name string) bool { return t[name] != "" }

// Tell delivers a notification to a topic, once. It is delivered when there is no error.
func (t Topics) Tell(ctx context.Context, name string, n Notification) error {
	n.Type = "Notification"
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return post(ctx, t[name], "application/json", body)
}
