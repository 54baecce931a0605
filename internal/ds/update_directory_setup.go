package ds

import (
	"context"
	"errors"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// maxUpdates is how many updates of its setup a directory remembers.
const maxUpdates = 100

// updateDirectorySetup changes what AWS knows of a directory's size, network or operating system (API reference,
// UpdateDirectorySetup). It is done in the background, after the snapshot that may go before it.
func (s *Service) updateDirectorySetup(ctx context.Context, call *operation.Call, in *UpdateDirectorySetupRequest) (*UpdateDirectorySetupResult, error) {
	record, err := s.findDirectory(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	update, err := planUpdate(record, in)
	if err != nil {
		return nil, err
	}
	update.Type, update.Region, update.Initiator, update.Start = *in.UpdateType, call.Region, "Customer", call.Time
	update.Status = store.Status{State: UpdateStatusUpdating, Since: call.Time}
	if in.CreateSnapshotBeforeUpdate != nil && *in.CreateSnapshotBeforeUpdate {
		snapshot, err := s.Lifecycle.CreateSnapshot(ctx, record, "")
		if errors.Is(err, lifecycle.ErrSnapshotLimit) {
			return nil, snapshotLimit(record)
		}
		if err != nil {
			return nil, snapshotFault(record, err)
		}
		update.Snapshot = snapshot.ID
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if slices.ContainsFunc(record.Updates, func(u store.Update) bool { return u.State == UpdateStatusUpdating }) {
			return fault.Newf(fault.DirectoryUnavailable, "Another update of directory %s goes on.", record.ID)
		}
		record.Updates = append(record.Updates, update)
		record.Updates = record.Updates[max(0, len(record.Updates)-maxUpdates):]
		return nil
	})
	return &UpdateDirectorySetupResult{}, err
}

// planUpdate is what the request would change: from what to what.
func planUpdate(record store.Directory, in *UpdateDirectorySetupRequest) (store.Update, error) {
	var update store.Update
	var kinds []directory.Kind
	switch *in.UpdateType {
	case UpdateTypeOS:
		kinds, update.Previous = []directory.Kind{directory.MicrosoftAD}, osVersion(record)
		if in.OSUpdateSettings != nil {
			update.New = value(in.OSUpdateSettings.OSVersion)
		}
	case UpdateTypeSIZE:
		kinds, update.Previous = []directory.Kind{directory.SimpleAD, DirectoryTypeADConnector}, record.Size
		if in.DirectorySizeUpdateSettings != nil {
			update.New = value(in.DirectorySizeUpdateSettings.DirectorySize)
		}
	default:
		kinds, update.Previous = []directory.Kind{directory.SimpleAD, directory.MicrosoftAD, DirectoryTypeADConnector}, networkType(record)
		if in.NetworkUpdateSettings != nil {
			update.New = value(in.NetworkUpdateSettings.NetworkType)
		}
	}
	if err := only(record, kinds...); err != nil {
		return update, err
	}
	switch {
	case update.New == "":
		return update, fault.Newf(fault.InvalidParameter, "The settings for the update type %s are missing.", *in.UpdateType)
	case update.New == update.Previous:
		return update, fault.Newf(fault.DirectoryInDesiredState, "Directory %s is in the desired state already: %s.", record.ID, update.New)
	case *in.UpdateType == UpdateTypeOS:
		return update, fault.Newf(fault.InvalidParameter, "A directory on %s can't go back to %s.", update.Previous, update.New)
	}
	return update, nil
}

// osVersion is what AWS would say that a directory's domain controllers run.
func osVersion(record store.Directory) string {
	if record.OS == "" {
		return OSVersionSERVER2019
	}
	return record.OS
}

func networkType(record store.Directory) string {
	if record.Network == "" {
		return NetworkTypeIPv4
	}
	return record.Network
}
