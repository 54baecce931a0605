package cloudtrail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/audit"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

const (
	maxResults = 50
	// maxRead is how many bytes of records one call looks at. A page may have fewer events than were asked for, or none, and a
	// token nevertheless, as CloudTrail's may.
	maxRead = 64 << 20
	// maxPage is how many bytes of records a page has, but for its last one.
	maxPage = 4 << 20
	// disorder is how much older than the records before it a record may be: a call is recorded when it ends, under the time when it
	// began.
	disorder = 10 * time.Minute
)

// errPage ends the reading of a page.
var errPage = errors.New("the page is full")

// lookupEvents is
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html. The events are those of the caller's account
// and Region, and the server's own; there are none of the category insight.
func (s *Service) lookupEvents(ctx context.Context, call *operation.Call, in *LookupEventsRequest) (*LookupEventsResponse, error) {
	most := maxResults
	if in.MaxResults != nil {
		most = int(*in.MaxResults)
	}
	switch {
	case most < 1 || most > maxResults:
		return nil, fault.Newf(fault.InvalidMaxResults, "A value of %d is not in the valid range for MaxResults: 1 to %d.", most, maxResults)
	case in.StartTime != nil && in.EndTime != nil && in.StartTime.After(in.EndTime.Time):
		return nil, fault.New(fault.InvalidTimeRange, "The start time is after the end time.")
	case len(in.LookupAttributes) > 1:
		return nil, fault.New(fault.InvalidLookupAttributes, "You can only specify one lookup attribute.")
	}
	wants := func(*audit.Event) bool { return true }
	if len(in.LookupAttributes) == 1 {
		var err error
		if wants, err = matcher(in.LookupAttributes[0]); err != nil {
			return nil, err
		}
	}
	owner := tokenOwner(call, in)
	before, err := s.open(in.NextToken, owner)
	if err != nil {
		return nil, err
	}
	out := &LookupEventsResponse{Events: []Event{}}
	if in.EventCategory != nil {
		return out, nil
	}
	read, size, last := 0, 0, audit.Place{}
	err = audit.ReadBack(s.Dir, before, func(e *audit.Event, record []byte, at audit.Place) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if in.StartTime != nil && e.EventTime.Before(in.StartTime.Add(-disorder)) {
			return errOld
		}
		if len(out.Events) == most || read > maxRead || size > maxPage {
			return errPage
		}
		read += len(record)
		last = at
		if ours(e, call) && within(e, in) && wants(e) {
			out.Events = append(out.Events, event(e, record))
			size += len(record)
		}
		return nil
	})
	switch {
	case errors.Is(err, errPage):
		out.NextToken = s.seal(last, owner)
	case err != nil && !errors.Is(err, errOld):
		return nil, err
	}
	return out, nil
}

// errOld ends the reading for good.
var errOld = errors.New("all that is left is before the start time")

// ours says whether the caller's account and Region have the record: those without either are the server's own.
func ours(e *audit.Event, call *operation.Call) bool {
	return (e.RecipientAccountID == "" || e.RecipientAccountID == call.Account) && (e.AWSRegion == "" || e.AWSRegion == call.Region)
}

func within(e *audit.Event, in *LookupEventsRequest) bool {
	return (in.StartTime == nil || !e.EventTime.Before(in.StartTime.Truncate(time.Second))) && (in.EndTime == nil || !e.EventTime.After(in.EndTime.Time))
}

// matcher is what a lookup attribute asks of an event.
func matcher(a LookupAttribute) (func(*audit.Event) bool, error) {
	want := *a.AttributeValue
	var of func(*audit.Event) string
	switch *a.AttributeKey {
	case LookupAttributeKeyEventId:
		of = func(e *audit.Event) string { return e.EventID }
	case LookupAttributeKeyEventName:
		of = func(e *audit.Event) string { return e.EventName }
	case LookupAttributeKeyEventSource:
		of = func(e *audit.Event) string { return e.EventSource }
	case LookupAttributeKeyAccessKeyId:
		of = func(e *audit.Event) string { return e.UserIdentity.AccessKeyID }
	case LookupAttributeKeyUsername:
		of = username
	case LookupAttributeKeyReadOnly:
		if want != "true" && want != "false" {
			return nil, fault.New(fault.InvalidLookupAttributes, "ReadOnly is true or false.")
		}
		of = func(e *audit.Event) string { return strconv.FormatBool(e.ReadOnly) }
	case LookupAttributeKeyResourceType, LookupAttributeKeyResourceName:
		byType := *a.AttributeKey == LookupAttributeKeyResourceType
		return func(e *audit.Event) bool {
			for _, r := range e.Resources {
				if byType && r.Type == want || !byType && (r.ARN == want || resourceName(r) == want) {
					return true
				}
			}
			return false
		}, nil
	default:
		return nil, fault.Newf(fault.InvalidLookupAttributes, "There is no lookup attribute %s.", *a.AttributeKey)
	}
	return func(e *audit.Event) bool { return of(e) == want }, nil
}

// username is as CloudTrail shows it: root has no name in its records, and of a role's session it is the session's.
func username(e *audit.Event) string {
	if _, session := e.UserIdentity.Session(); session != "" {
		return session
	}
	if e.UserIdentity.UserName == "" && e.UserIdentity.Type == "Root" {
		return "root"
	}
	return e.UserIdentity.UserName
}

// resourceName is a directory's id.
func resourceName(r audit.Resource) string { return r.ARN[strings.LastIndexByte(r.ARN, '/')+1:] }

func event(e *audit.Event, record []byte) Event {
	readOnly, text := strconv.FormatBool(e.ReadOnly), string(record)
	out := Event{
		EventId: &e.EventID, EventName: &e.EventName, ReadOnly: &readOnly, AccessKeyId: optional(e.UserIdentity.AccessKeyID), EventTime: wire.At(e.EventTime),
		EventSource: &e.EventSource, Username: optional(username(e)), Resources: []Resource{}, CloudTrailEvent: &text,
	}
	for _, r := range e.Resources {
		name := resourceName(r)
		out.Resources = append(out.Resources, Resource{ResourceType: &r.Type, ResourceName: &name})
	}
	return out
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// tokenOwner binds a token to its account, its Region and all that was asked for but the page's size.
func tokenOwner(call *operation.Call, in *LookupEventsRequest) string {
	var asked bytes.Buffer
	for _, a := range in.LookupAttributes {
		fmt.Fprintf(&asked, "%s=%q", *a.AttributeKey, *a.AttributeValue)
	}
	for _, at := range []*wire.Timestamp{in.StartTime, in.EndTime} {
		asked.WriteByte('/')
		if at != nil {
			asked.WriteString(strconv.FormatInt(at.UnixMilli(), 10))
		}
	}
	hash := sha256.Sum256(asked.Bytes())
	return "LookupEvents/" + call.Account + "/" + call.Region + "/" + hex.EncodeToString(hash[:])
}

func (s *Service) seal(at audit.Place, owner string) *string {
	plain := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, at.Sequence), uint64(at.Offset)) //nolint:gosec // an offset is not negative
	token := base64.RawURLEncoding.EncodeToString(s.Tokens.Seal(plain, owner))
	return &token
}

func (s *Service) open(token *string, owner string) (at audit.Place, err error) {
	if token == nil {
		return at, nil
	}
	invalid := fault.New(fault.InvalidNextToken, "The NextToken is not valid, or was made for other parameters.")
	sealed, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return at, invalid.Because(err)
	}
	plain, err := s.Tokens.Open(sealed, owner)
	if err != nil || len(plain) != 16 {
		return at, invalid.Because(err)
	}
	return audit.Place{Sequence: binary.BigEndian.Uint64(plain), Offset: int64(binary.BigEndian.Uint64(plain[8:]))}, nil //nolint:gosec // as seal wrote it
}
