package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/keytab"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

// exportKeytab gives away the keys of a service's or a computer's account, as a keytab in base64. Whoever has them is the
// account, so it is a write: on the disk of the audit trail before it is answered. It changes nothing in the directory.
func (s *Service) exportKeytab(ctx context.Context, call *operation.Call, in *ExportKeytabRequest) (*ExportKeytabResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	domain, err := lifecycle.Domain(record)
	if err != nil {
		return nil, err
	}
	name, realm, qualified := strings.Cut(*in.Principal, "@")
	conn, err := s.Lifecycle.Conn(record.ID)
	var account directory.Keyholder
	if err == nil && qualified && !strings.EqualFold(realm, domain.Name) {
		err = directory.ErrNoKeyholder
	}
	if err == nil {
		account, err = directory.FindKeyholder(ctx, conn, domain, name)
	}
	var keys []keytab.Key
	if err == nil {
		keys, err = s.Lifecycle.Keys(ctx, record, account)
	}
	defer keytab.Wipe(keys)
	switch {
	case errors.Is(err, directory.ErrNoKeyholder):
		return nil, fault.Newf(fault.EntityDoesNotExist, "Principal %s does not exist in directory %s, or is not one to have a keytab.", *in.Principal, record.ID).Because(err)
	case errors.Is(err, directory.ErrProtected), errors.Is(err, lifecycle.ErrNoKeys):
		return nil, fault.Newf(fault.UnsupportedOperation, "There is no keytab of %s: %v.", *in.Principal, err).Because(err)
	case errors.Is(err, directory.ErrUnavailable):
		return nil, fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", record.Stage).Because(err)
	case err != nil:
		return nil, err
	}
	principals := principalsOf(account, name)
	file := keytab.Marshal(domain.Realm(), principals, keys, time.Now())
	defer clear(file)
	version := int64(keys[0].Version)
	return &ExportKeytabResult{
		Account: &account.Name, Principals: principals, Version: &version, Keytab: wire.NewSecret(base64.StdEncoding.AppendEncode(nil, file)),
	}, nil
}

// principalsOf is whom the keytab is for: the service that was named, as the directory writes it, or the account and all its
// services.
func principalsOf(account directory.Keyholder, name string) []string {
	if !strings.Contains(name, "/") {
		return append([]string{account.Name}, account.Services...)
	}
	if at := slices.IndexFunc(account.Services, func(s string) bool { return strings.EqualFold(s, name) }); at >= 0 {
		name = account.Services[at]
	}
	return []string{name}
}
