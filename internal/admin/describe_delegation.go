package admin

import (
	"context"
	"errors"
	"net/url"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// describeDelegation tells which commands give an account of the directory the rights that its resets, or the management
// of its users, need. It changes nothing.
func (s *Service) describeDelegation(ctx context.Context, call *operation.Call, in *DescribeDelegationRequest) (*DescribeDelegationResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if lifecycle.EngineName(record) == lifecycle.Embedded {
		return nil, fault.Newf(fault.UnsupportedOperation, "Directory %s has no rights to delegate: its engine is %s.", record.ID, lifecycle.Embedded)
	}
	delegation := directory.Delegation{Bases: in.OrganizationalUnits, LeaveOut: record.Reset.LeaveOut}
	if len(delegation.Bases) == 0 {
		delegation.Bases = record.Reset.Bases
	}
	if delegation.Domain, err = lifecycle.Domain(record); err != nil {
		return nil, err
	}
	if lifecycle.EngineName(record) == lifecycle.Remote {
		settings, err := lifecycle.RemoteSettings(record)
		if err != nil {
			return nil, err
		}
		if len(settings.URLs) > 0 {
			first, err := url.Parse(settings.URLs[0])
			if err != nil {
				return nil, err
			}
			delegation.Server = first.Hostname()
		}
	}
	conn, err := s.Lifecycle.Conn(record.ID)
	if err == nil {
		delegation.Trustee, err = directory.FindTrustee(ctx, conn, delegation.Domain, *in.Account)
	}
	switch {
	case errors.Is(err, directory.ErrNoSuchTrustee):
		return nil, fault.Newf(fault.EntityDoesNotExist, "Account %s does not exist in directory %s.", *in.Account, record.ID).Because(err)
	case errors.Is(err, directory.ErrUnavailable):
		return nil, fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", record.Stage).Because(err)
	case err != nil:
		return nil, err
	}
	purposes := []directory.Purpose{directory.PurposeReset, directory.PurposeManagement}
	if in.Purpose != nil {
		purposes = []directory.Purpose{directory.Purpose(*in.Purpose)}
	}
	commands, err := delegation.Commands(purposes...)
	if errors.Is(err, directory.ErrDelegation) {
		return nil, fault.New(fault.InvalidParameter, err.Error()).Because(err)
	}
	if err != nil {
		return nil, err
	}
	out := &DescribeDelegationResult{Commands: make([]Command, len(commands))}
	for i := range commands {
		c := &commands[i]
		out.Commands[i] = Command{Dialect: (*string)(&c.Dialect), Purpose: (*string)(&c.Purpose), Grants: &c.Grants, Command: &c.Line}
	}
	return out, nil
}
