package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"latchkey/internal/durable"
)

// recover makes the two files whole after whatever end the last process came to. It may itself be stopped at any point and
// run again.
func (f *files) recover() error {
	if err := f.cutTornLine(); err != nil {
		return err
	}
	lost, err := f.resume(f.now())
	if err == nil && lost != "" {
		err = f.tell(lost, f.now())
	}
	if err != nil {
		return err
	}
	if f.began = f.now(); f.size > 0 {
		f.began = f.firstTime()
	}
	intents, from, err := f.readIntents()
	if err != nil {
		return err
	}
	if len(intents) > 0 {
		if err := f.settle(intents, from); err != nil {
			return err
		}
	}
	if err := f.intent.Truncate(0); err != nil {
		return err
	}
	return errors.Join(f.log.Sync(), f.intent.Sync(), durable.Sync(f.dir))
}

// cutTornLine removes what follows the last line break of audit.log, and sets size.
func (f *files) cutTornLine() error {
	info, err := f.log.Stat()
	if err != nil {
		return err
	}
	chunk := make([]byte, 64<<10)
	end := info.Size()
	for end > 0 {
		part := chunk[:min(end, int64(len(chunk)))]
		if _, err := f.log.ReadAt(part, end-int64(len(part))); err != nil {
			return err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			end += int64(i + 1 - len(part))
			break
		}
		end -= int64(len(part))
	}
	f.size = end
	if end == info.Size() {
		return nil
	}
	f.logger.Warn("cut a torn line off the audit log", "file", f.log.Name(), "bytes", info.Size()-end)
	return f.log.Truncate(end)
}

// readIntents also answers where in audit.log the first outcome may be.
func (f *files) readIntents() (found []*Event, from int64, err error) {
	lines := bufio.NewReader(io.NewSectionReader(f.intent, 0, 1<<62))
	from = f.size
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return found, from, nil // a torn line was never acknowledged: its write did not begin
		}
		if err != nil {
			return nil, 0, err
		}
		var record struct {
			Offset int64  `json:"offset"`
			Event  *Event `json:"event"`
		}
		if err := json.Unmarshal(line, &record); err != nil || record.Event == nil {
			f.logger.Warn("skipped a damaged line of the audit intents", "file", f.intent.Name(), "err", err)
			continue
		}
		if record.Offset < 0 || record.Offset > f.size {
			record.Offset = 0 // audit.log was replaced by a shorter one
		}
		from = min(from, record.Offset)
		found = append(found, record.Event)
	}
}

// settle gives every intent that has no outcome in audit.log the one that nobody knows.
func (f *files) settle(found []*Event, from int64) error {
	missing := make(map[string]bool, len(found))
	for _, e := range found {
		missing[e.RequestID] = true
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(f.log, from, f.size-from), 256<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var outcome struct {
			RequestID string `json:"requestID"`
		}
		if err := json.Unmarshal(line, &outcome); err == nil {
			delete(missing, outcome.RequestID)
		}
	}
	var text []byte
	for _, e := range found {
		if !missing[e.RequestID] {
			continue
		}
		delete(missing, e.RequestID)
		e.ErrorCode, e.ErrorMessage, e.ResponseElements = OutcomeUnknown, outcomeUnknownText, nil
		text = append(e.append(text), '\n')
		f.logger.Warn("the server stopped before the outcome of a change was known",
			"event", e.EventName, "requestID", e.RequestID, "user", e.UserIdentity.ARN)
	}
	if len(text) == 0 {
		return nil
	}
	return f.appendNow(text)
}

// firstTime is the time of the first record of audit.log, or now when it has none.
func (f *files) firstTime() time.Time {
	line, err := bufio.NewReader(io.NewSectionReader(f.log, 0, maxLine)).ReadBytes('\n')
	var record struct {
		EventTime time.Time `json:"eventTime"`
	}
	if err != nil || json.Unmarshal(line, &record) != nil || record.EventTime.IsZero() {
		return f.now()
	}
	return record.EventTime
}
