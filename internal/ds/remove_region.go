package ds

import (
	"context"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// removeRegion takes a directory out of the Region in which it is called (API reference, RemoveRegion).
func (s *Service) removeRegion(ctx context.Context, call *operation.Call, in *RemoveRegionRequest) (*RemoveRegionResult, error) {
	record, err := s.findDirectory(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	if record.Region == call.Region {
		return nil, fault.New(fault.UnsupportedOperation, "The primary Region can't be removed. DeleteDirectory deletes the directory.")
	}
	if err := available(record); err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if at := slices.IndexFunc(record.Regions, func(r store.Region) bool { return r.Name == call.Region }); at >= 0 {
			record.Regions[at].Status = store.Status{State: lifecycle.Deleting, Since: call.Time}
		}
		return nil
	})
	return &RemoveRegionResult{}, err
}
