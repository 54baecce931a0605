// Package ds is AWS Directory Service: each operation has its file, table.go lists them all.
package ds

import (
	"errors"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// Service is what the operations work with.
type Service struct {
	Directories *store.Directories
	Lifecycle   *lifecycle.Worker
	Engine      Engine
	Tokens      Sealer
	// Unlock says whether a reset clears lockoutTime.
	Unlock bool
	Now    func() time.Time
}

// Engine reaches the directories.
type Engine interface {
	// Conn fails with directory.ErrUnavailable where the directory can't be asked.
	Conn(id string) (directory.Conn, error)
}

// Sealer makes tokens that a client can neither read nor alter.
type Sealer interface {
	Seal(plain []byte, owner string) []byte
	Open(sealed []byte, owner string) ([]byte, error)
}

// find is the caller's directory of that id, in whatever stage.
func (s *Service) find(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.Directories.Find(id)
	if err != nil || record.Account != call.Account {
		return record, fault.Newf(fault.EntityDoesNotExist, "Directory %s does not exist.", id).Because(err)
	}
	if record.Region != call.Region {
		return record, fault.Newf(fault.EntityDoesNotExist, "Directory %s does not exist in Region %s. It is in Region %s.", id, call.Region, record.Region)
	}
	return record, nil
}

// reach is the connection to a directory whose stage allows work on its objects.
func (s *Service) reach(record store.Directory) (directory.Conn, directory.Domain, error) {
	unavailable := fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", record.Stage)
	switch record.Stage {
	case lifecycle.Active, lifecycle.Impaired, lifecycle.Updating:
	default:
		return nil, directory.Domain{}, unavailable
	}
	domain, err := lifecycle.Domain(record)
	if err != nil {
		return nil, domain, err
	}
	conn, err := s.Engine.Conn(record.ID)
	if errors.Is(err, directory.ErrUnavailable) {
		return nil, domain, unavailable.Because(err)
	}
	return conn, domain, err
}

// storeFault is the exception for a write of a record that failed.
func storeFault(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrConflict):
		return fault.Newf(fault.Client, "Directory %s was changed by another request at the same time.", id).Because(err)
	case errors.Is(err, store.ErrUnknown):
		unknown := fault.New(fault.Service, "It is not known whether the request was carried out.").Because(err)
		unknown.OutcomeUnknown = true
		return unknown
	}
	return err
}
