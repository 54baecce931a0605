package ds

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// enableDirectoryDataAccess lets Directory Service Data work on a directory (API reference, EnableDirectoryDataAccess).
func (s *Service) enableDirectoryDataAccess(ctx context.Context, call *operation.Call, in *EnableDirectoryDataAccessRequest) (*EnableDirectoryDataAccessResult, error) {
	return &EnableDirectoryDataAccessResult{}, s.turnDataAccess(ctx, call, *in.DirectoryId, DataAccessStatusEnabling, DataAccessStatusEnabled)
}

// turnDataAccess begins to turn data access on or off.
func (s *Service) turnDataAccess(ctx context.Context, call *operation.Call, id, begin, end string) error {
	record, err := s.findDirectory(call, id)
	if err != nil {
		return err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return err
	}
	if err := available(record); err != nil {
		return err
	}
	_, err = s.update(ctx, id, func(record *store.Directory) error {
		if state := dataAccess(*record); state == begin || state == end {
			return fault.Newf(fault.DirectoryInDesiredState, "The data access of directory %s is %s already.", id, state)
		}
		record.DataAccess = store.Status{State: begin, Since: call.Time}
		return nil
	})
	return err
}

// dataAccess is the state of a directory's data access: off, unless somebody turned it on.
func dataAccess(record store.Directory) string {
	if record.DataAccess.State == "" {
		return DataAccessStatusDisabled
	}
	return record.DataAccess.State
}
