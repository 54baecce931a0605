package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// RecordsLost is the eventName and errorCode of the record that tells of calls that went on without one.
const RecordsLost = "AuditRecordsLost"

// lenient is what a log does that lets calls go on while it can't be written.
type lenient struct {
	on    bool
	lost  uint64    // calls without a record since the last RecordsLost
	since time.Time // when the first of them ended
	err   error     // why
}

func (l lenient) until(refusing, going string) string {
	if l.on {
		refusing = going
	}
	return refusing + " until"
}

// missed is what a call lacks when something can't be written.
type missed int

const (
	begun missed = iota // its intent; its outcome is still to come
	late                // its outcome is kept in memory, and written once that is possible
	gone                // its outcome, for good
)

// excuse is the error of a call that can't be recorded: none, where calls go on nevertheless. The log then has what the trail
// has not.
func (l *Log) excuse(ctx context.Context, e *Event, err error, what missed) error {
	if err == nil || !l.lenient.on || ctx.Err() != nil || errors.Is(err, ErrClosed) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if what == late && l.failed != nil {
		what = gone
	}
	if what == gone {
		if l.lenient.lost == 0 {
			l.lenient.since, l.lenient.err = e.EventTime, err
		}
		l.lenient.lost++
		l.logger.Error("a call is not in the audit log", "event", e.EventName, "requestID", e.RequestID, "user", e.UserIdentity.ARN, "errorCode", e.ErrorCode, "err", err)
	}
	return nil
}

// tellLost puts a record of what has been lost into the next batch. The caller holds mu.
func (l *Log) tellLost() {
	n := &l.lenient
	if n.lost == 0 {
		return
	}
	now := l.now()
	counted, err := json.Marshal(map[string]any{"records": n.lost, "since": n.since.UTC().Truncate(time.Second), "until": now.UTC().Truncate(time.Second)})
	if err != nil {
		l.logger.Error("lost records can't be told of", "err", err)
		return
	}
	e := &Event{
		EventID: newID(), EventTime: now, EventName: RecordsLost, EventType: serviceEvent, RequestID: newID(), AdditionalEventData: counted,
		ErrorCode: RecordsLost, ErrorMessage: fmt.Sprintf("%d calls were made and not recorded: %v", n.lost, n.err), SourceIPAddress: "latchkey", UserAgent: "latchkey",
	}
	line := append(e.append(nil), '\n')
	b := l.next
	b.lines = append(b.lines, line...)
	b.size += len(line)
	b.urgent = true
	n.lost = 0
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
