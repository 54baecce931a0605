// Package dsdata is AWS Directory Service Data: each operation has its file, table.go lists them all.
package dsdata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/ds"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// Service is what the operations work with.
type Service struct {
	Directories *store.Directories
	Lifecycle   *lifecycle.Worker
	Requests    *store.Requests
	Tokens      ds.Sealer
	Logger      *slog.Logger
}

// session is a directory that a call may work on.
type session struct {
	*Service

	call   *operation.Call
	id     string
	conn   directory.Conn
	domain directory.Domain
}

// open holds a call against what AWS demands of a directory: it is the caller's, a Managed Microsoft AD in its own Region,
// Directory Service Data may work on it, and its stage allows it. realms, where they are given, are this domain's.
func (s *Service) open(call *operation.Call, id string, realms ...*string) (session, error) {
	d := session{Service: s, call: call, id: id}
	record, err := s.Directories.Find(id)
	far := err == nil && record.Region != call.Region
	switch {
	case err != nil || record.Account != call.Account || far && !slices.ContainsFunc(record.Regions, func(r store.Region) bool { return r.Name == call.Region }):
		return d, denied("You do not have access to directory " + id + ".").Because(err)
	case record.Type != string(directory.MicrosoftAD):
		return d, invalid("INVALID_DIRECTORY_TYPE", "The operation is not supported for a directory of the type %s.", record.Type)
	case far:
		return d, invalid("INVALID_SECONDARY_REGION", "Directory %s is reached in its primary Region, %s.", id, record.Region)
	case record.DataAccess.State != ds.DataAccessStatusEnabled:
		refused := denied("Directory data access is not enabled for directory " + id + ".")
		refused.Reason = "DATA_DISABLED"
		return d, refused
	}
	state := unavailable("INVALID_DIRECTORY_STATE", "Directory %s is unavailable. Its stage is %s.", id, record.Stage)
	switch record.Stage {
	// One that was Inoperable may work again before its stage says so.
	case lifecycle.Active, lifecycle.Impaired, lifecycle.Updating, lifecycle.Inoperable:
	default:
		return d, state
	}
	if record.Held && record.Stage == lifecycle.Inoperable {
		return d, state
	}
	if d.domain, err = lifecycle.Domain(record); err != nil {
		return d, err
	}
	for _, realm := range realms {
		if realm != nil && !strings.EqualFold(strings.TrimSuffix(*realm, "."), d.domain.Name) {
			return d, invalid("INVALID_REALM", "The realm %s is not that of directory %s.", *realm, id)
		}
	}
	if d.conn, err = s.Lifecycle.Conn(id); errors.Is(err, directory.ErrUnavailable) {
		err = state.Because(err)
	}
	return d, err
}

// settleTime is how long the outcome of a request may take to be kept.
const settleTime = 5 * time.Second

// answered is what is kept of a request that was carried out: its result, and whom it was about.
type answered struct {
	Result json.RawMessage
	SID    string
}

// once carries a request out, or answers as before where it was carried out with the same token (API reference, ClientToken).
// A token belongs to its directory, and holds for the one request.
func once[In, Out any](ctx context.Context, d session, token *string, in *In, run func() (*Out, error)) (*Out, error) {
	if token == nil {
		return run()
	}
	request, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%T %s", in, request))
	name := sha256.Sum256([]byte(*token))
	claim, err := d.Requests.Begin(ctx, d.id+"/"+hex.EncodeToString(name[:]), digest[:])
	switch {
	case errors.Is(err, store.ErrOtherRequest):
		return nil, fault.New(fault.Conflict, "The client token was used with other parameters.").Because(err)
	case errors.Is(err, store.ErrUnderWay):
		return nil, fault.New(fault.Conflict, "A request with the same client token is being processed.").Because(err)
	case err != nil:
		return nil, d.fault("", err)
	case claim.Done:
		var former answered
		out := new(Out)
		if err := json.Unmarshal(claim.Answer, &former); err != nil {
			return nil, err
		}
		d.call.Subject = former.SID
		return out, json.Unmarshal(former.Result, out)
	}
	out, err := run()
	// What came of it is kept even where the caller's time is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err != nil {
		// The change may have happened, and then the token's next use says what it finds.
		if dropped := d.Requests.Drop(ctx, claim); dropped != nil {
			d.Logger.WarnContext(ctx, "a client token stays taken", "requestId", d.call.RequestID, "directory", d.id, "err", dropped)
		}
		return nil, err
	}
	result, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(answered{result, d.call.Subject})
	if err != nil {
		return nil, err
	}
	if err := d.Requests.End(ctx, claim, answer); err != nil {
		d.Logger.WarnContext(ctx, "a client token is forgotten", "requestId", d.call.RequestID, "directory", d.id, "err", err)
	}
	return out, nil
}

// noun is what messages call the objects of a class.
func noun(class directory.Class) string {
	switch class {
	case directory.Users:
		return "User"
	case directory.Groups:
		return "Group"
	}
	return "Member"
}

// find is the principal of that name, which the call is about.
func (d session) find(ctx context.Context, class directory.Class, name string, attributes ...string) (directory.Principal, error) {
	found, err := directory.FindPrincipal(ctx, d.conn, d.domain, class, name, attributes...)
	if err != nil {
		return found, d.fault(noun(class), err)
	}
	d.call.Subject = found.SID.String()
	return found, nil
}

// own is find for one that is to be changed.
func (d session) own(ctx context.Context, class directory.Class, name string, attributes ...string) (directory.Principal, error) {
	found, err := d.find(ctx, class, name, attributes...)
	if err != nil {
		return found, err
	}
	if err := directory.ProtectPrincipal(d.domain, found); err != nil {
		return found, d.fault(noun(class), err)
	}
	return found, nil
}

// membership is a member and a group of the customer's, of that name each.
func (d session) membership(ctx context.Context, memberName, groupName string) (member, group directory.Principal, err error) {
	if member, err = d.find(ctx, directory.Principals, memberName); err == nil {
		group, err = d.own(ctx, directory.Groups, groupName)
	}
	return member, group, err
}

func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// optional is a member that is left out when its text is empty.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
