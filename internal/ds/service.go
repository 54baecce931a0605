// Package ds is AWS Directory Service: each operation has its file, table.go lists them all.
package ds

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/event"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// Service is what the operations work with.
type Service struct {
	Directories *store.Directories
	Lifecycle   *lifecycle.Worker
	Tokens      Sealer
	// Claim is the value that whoever came first has given to a name, for good: value, if nobody has yet.
	Claim  func(ctx context.Context, name string, value []byte) ([]byte, error)
	Logger *slog.Logger
	Logs   *event.Logs
	Topics event.Topics
	// Unlock says whether a reset clears lockoutTime.
	Unlock bool
	// Engine is what holds the directories that the API makes; "" is the embedded one.
	Engine string
	// DNS is the addresses that say where the services of embedded directories are; none without such a server.
	DNS []string
}

// Sealer makes tokens that a client can neither read nor alter.
type Sealer interface {
	Seal(plain []byte, owner string) []byte
	Open(sealed []byte, owner string) ([]byte, error)
}

// find is Find among all directories.
func (s *Service) find(call *operation.Call, id string) (store.Directory, error) {
	return Find(s.Directories, call, id)
}

// Find is the caller's directory of that id, in whatever stage, or the exception for one that the caller does not have.
func Find(directories *store.Directories, call *operation.Call, id string) (store.Directory, error) {
	record, err := directories.Find(id)
	if err != nil || record.Account != call.Account {
		return record, fault.Newf(fault.EntityDoesNotExist, "Directory %s does not exist.", id).Because(err)
	}
	if !inRegion(record, call.Region) {
		return record, fault.Newf(fault.EntityDoesNotExist, "Directory %s does not exist in Region %s. It is in Region %s.", id, call.Region, record.Region)
	}
	return record, nil
}

// findDirectory is find for the operations that have DirectoryDoesNotExistException for it.
func (s *Service) findDirectory(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.find(call, id)
	var missing *fault.Error
	if errors.As(err, &missing) {
		err = fault.New(fault.DirectoryDoesNotExist, missing.Message).Because(missing.Err)
	}
	return record, err
}

// only refuses a directory of another type.
func only(record store.Directory, kinds ...directory.Kind) error {
	if slices.Contains(kinds, directory.Kind(record.Type)) {
		return nil
	}
	return fault.Newf(fault.UnsupportedOperation, "The operation is not supported for a directory of the type %s.", record.Type)
}

// available refuses a directory that is not in a stage for changes.
func available(record store.Directory) error {
	switch record.Stage {
	case lifecycle.Active, lifecycle.Impaired, lifecycle.Updating:
		return nil
	}
	return fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", record.Stage)
}

// update changes the record of a directory. change gets the newest state of it, perhaps more than once, and may refuse with
// an exception. What is to follow happens in the background.
func (s *Service) update(ctx context.Context, id string, change func(*store.Directory) error) (store.Directory, error) {
	record, err := s.Directories.Update(ctx, id, change)
	if errors.Is(err, store.ErrNotFound) {
		return record, fault.Newf(fault.Client, "Directory %s was deleted at the same time.", id).Because(err)
	}
	return record, StoreFault(id, err)
}

// reach is the connection to a directory whose stage allows work on its objects; to the owner's of a shared one.
func (s *Service) reach(record store.Directory) (directory.Conn, directory.Domain, error) {
	if record.Share != nil {
		if status := *shareStatus(record); status != ShareStatusShared {
			return nil, directory.Domain{}, fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. It is %s.", status)
		}
		owner, err := s.Lifecycle.Owner(record)
		if err != nil {
			return nil, directory.Domain{}, fault.New(fault.DirectoryUnavailable, "The specified directory is unavailable.").Because(err)
		}
		record = owner
	}
	unavailable := fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", record.Stage)
	if record.Held && record.Stage == lifecycle.Inoperable {
		return nil, directory.Domain{}, unavailable
	}
	switch record.Stage {
	// One that was Inoperable may work again before its stage says so.
	case lifecycle.Active, lifecycle.Impaired, lifecycle.Updating, lifecycle.Inoperable:
	default:
		return nil, directory.Domain{}, unavailable
	}
	domain, err := lifecycle.Domain(record)
	if err != nil {
		return nil, domain, err
	}
	conn, err := s.Lifecycle.Conn(record.ID)
	if errors.Is(err, directory.ErrUnavailable) {
		return nil, domain, unavailable.Because(err)
	}
	return conn, domain, err
}

// cause is what a client is told of one reason why a directory did not do what it was asked.
type cause struct {
	is            error
	code, message string
}

// tell is the exception for the first of the causes that err has, or err itself.
func tell(err error, causes []cause) error {
	for _, each := range causes {
		if errors.Is(err, each.is) {
			return fault.New(each.code, each.message).Because(err)
		}
	}
	return err
}

// StoreFault is the exception for a write of a directory's record that failed.
func StoreFault(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrConflict):
		return fault.Newf(fault.Client, "Directory %s was changed by another request at the same time.", id).Because(err)
	case errors.Is(err, store.ErrUnknown):
		return fault.New(fault.Service, "It is not known whether the request was carried out.").Because(err).Unknown()
	}
	return err
}
