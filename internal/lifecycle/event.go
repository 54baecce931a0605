package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latchkey/internal/event"
	"latchkey/internal/store"
)

// AWS's states of an event topic (API reference, EventTopic).
const (
	TopicRegistered = "Registered"
	TopicFailed     = "Failed"
	TopicNotFound   = "Topic not found"
)

const (
	// maxUntold is how many changes are kept for a topic that can't be told. The oldest go first.
	maxUntold = 100
	// lastWord is how long the topics of a directory that is deleted may take.
	lastWord  = 5 * time.Second
	partition = "aws"
)

// noteStage keeps a change of the stage for those who are to be told of it, in the same write as the stage itself.
func (w *Worker) noteStage(record *store.Directory, former string) {
	if former == record.Stage {
		return
	}
	record.EventTopics = slices.Clone(record.EventTopics)
	for i := range record.EventTopics {
		t := &record.EventTopics[i]
		t.Untold = append(slices.Clone(t.Untold), store.StageChange{ID: "e-" + random(), Former: former, Stage: record.Stage, Reason: record.StageReason, Time: record.StageTime})
		t.Untold = t.Untold[max(0, len(t.Untold)-maxUntold):]
	}
}

// settleTopics tells the topics of a directory of its stages, in their order, each at least once.
func (w *Worker) settleTopics(ctx context.Context, record store.Directory) error {
	var errs []error
	for _, topic := range record.EventTopics {
		if len(topic.Untold) > 0 {
			errs = append(errs, w.tell(ctx, record, topic))
		}
	}
	return errors.Join(errs...)
}

func (w *Worker) tell(ctx context.Context, record store.Directory, topic store.EventTopic) error {
	change := topic.Untold[0]
	state, failure := TopicRegistered, error(nil)
	if !w.Topics.Has(topic.Name) {
		state, failure = TopicNotFound, fmt.Errorf("there is no topic %s", topic.Name)
	} else if failure = w.Topics.Tell(ctx, topic.Name, notification(record, topic.Name, change)); failure != nil {
		state = TopicFailed
	}
	_, err := w.directories.Update(ctx, record.ID, func(newest *store.Directory) error {
		at := slices.IndexFunc(newest.EventTopics, func(t store.EventTopic) bool { return t.Name == topic.Name })
		if at < 0 {
			return store.ErrConflict
		}
		t := &newest.EventTopics[at]
		if failure == nil {
			t.Untold = slices.DeleteFunc(t.Untold, func(c store.StageChange) bool { return c.ID == change.ID })
		} else if t.State == state {
			return store.ErrConflict // nothing is new, and the worker tries again
		}
		w.turn(&t.Status, state)
		return nil
	})
	if failure != nil {
		return fmt.Errorf("tell topic %s of %s: %w", topic.Name, change.Stage, failure)
	}
	return lost(err)
}

func notification(record store.Directory, topic string, change store.StageChange) event.Notification {
	message := fmt.Sprintf("The status of directory %s (%s) changed from %s to %s.", record.ID, record.Name, change.Former, change.Stage)
	if change.Reason != "" {
		message += " " + change.Reason
	}
	return event.Notification{
		MessageID: change.ID, TopicARN: TopicARN(record, topic), Subject: fmt.Sprintf("AWS Directory Service: %s is %s", record.ID, change.Stage),
		Message: message, Timestamp: change.Time,
	}
}

// TopicARN names a topic of the directory's account and Region.
func TopicARN(record store.Directory, topic string) string {
	return "arn:" + partition + ":sns:" + record.Region + ":" + record.Account + ":" + topic
}

// farewell tells the topics of a directory that is being deleted what they do not know yet, as far as they can be told now.
func (w *Worker) farewell(ctx context.Context, record store.Directory) error {
	ctx, cancel := context.WithTimeout(ctx, lastWord)
	defer cancel()
	for _, topic := range record.EventTopics {
		last := store.StageChange{ID: "e-" + random(), Former: record.Stage, Stage: "Deleted", Time: w.moment()}
		for _, change := range append(slices.Clone(topic.Untold), last) {
			if err := w.Topics.Tell(ctx, topic.Name, notification(record, topic.Name, change)); err != nil {
				w.Logger.Warn("a topic is not told that a directory is deleted", "topic", topic.Name, "directory", record.ID, "err", err)
				break
			}
		}
	}
	return nil
}
