// Package admin is Latchkey's own API: what an operator does that has no counterpart on AWS. Each operation has its file,
// table.go lists them all.
package admin

import (
	"latchkey/internal/backup"
	"latchkey/internal/chaos"
	"latchkey/internal/ds"
	"latchkey/internal/fault"
	"latchkey/internal/identity"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// Service is what the operations work with.
type Service struct {
	Directories *store.Directories
	Lifecycle   *lifecycle.Worker
	AccessKeys  *identity.Issuer
	// Faults is what calls are answered with on a developer's server; nil on others.
	Faults *chaos.Faults
	// Kerberos is where the embedded directories' own servers are.
	Kerberos Kerberos
	// Backups hands backups out; nil on a developer's server, which keeps nothing.
	Backups *backup.Server
}

// find is the caller's directory of that id, in whatever stage.
func (s *Service) find(call *operation.Call, id string) (store.Directory, error) {
	return ds.Find(s.Directories, call, id)
}

// attached is find for what only a domain that somebody else runs can do.
func (s *Service) attached(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.find(call, id)
	if err == nil && lifecycle.EngineName(record) != lifecycle.Remote {
		err = fault.Newf(fault.UnsupportedOperation, "Directory %s is not an attached domain: its engine is %s.", id, lifecycle.EngineName(record))
	}
	return record, err
}
