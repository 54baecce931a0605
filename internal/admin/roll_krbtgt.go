package admin

import (
	"context"
	"crypto/rand"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/ds"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
)

// rollKrbtgt gives a directory a new key for Kerberos tickets. Of a domain that somebody else runs it is their affair.
func (s *Service) rollKrbtgt(ctx context.Context, call *operation.Call, in *RollKrbtgtRequest) (*RollKrbtgtResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if engine := lifecycle.EngineName(record); engine != lifecycle.Embedded && engine != lifecycle.Samba {
		return nil, fault.Newf(fault.UnsupportedOperation, "The key of directory %s is not Latchkey's: its engine is %s.", record.ID, engine)
	}
	domain, err := lifecycle.Domain(record)
	if err != nil {
		return nil, err
	}
	conn, err := s.Lifecycle.Conn(record.ID)
	version := 0
	if err == nil {
		version, err = directory.RollKrbtgt(ctx, conn, domain, []byte("aA1+"+rand.Text()+rand.Text()))
	}
	switch {
	case errors.Is(err, directory.ErrUnavailable), errors.Is(err, directory.ErrOutcomeUnknown):
		return nil, fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", record.Stage).Because(err)
	case err != nil:
		return nil, ds.StoreFault(record.ID, err)
	}
	number := int32(version)
	return &RollKrbtgtResult{DirectoryId: &record.ID, KeyVersionNumber: &number}, nil
}
