package ds

//go:generate go run ./gen ../../docs/operations.md

import (
	"slices"

	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

// Table is all operations of the service: those that are built, area by area, and the others of AWS's model, which answer as
// AWS answers an unknown operation.
func (s *Service) Table() (operation.Table, error) {
	rows := slices.Concat(
		s.directoryRows(), s.setupRows(), s.connectRows(), s.shareRows(), s.computerRows(), s.schemaRows(), s.certificateRows(), s.settingRows(),
		s.trustRows(), s.forwarderRows(), s.eventRows(), s.radiusRows(), s.hybridRows(),
	)
	built := map[string]bool{}
	for _, row := range rows {
		built[row.Name] = true
	}
	for _, modelled := range wire.DS.Operations() {
		if !built[modelled.Name] {
			rows = append(rows, operation.Missing(modelled.Name))
		}
	}
	return operation.NewTable(rows...)
}

// directoryRows are about directories as a whole, their domain controllers and their snapshots.
func (s *Service) directoryRows() []operation.Spec {
	return []operation.Spec{
		operation.New("CreateDirectory", operation.Write, nil, s.createDirectory),
		operation.New("CreateMicrosoftAD", operation.Write, nil, s.createMicrosoftAD),
		operation.New("CreateSnapshot", operation.Write, func(in *CreateSnapshotRequest) string { return *in.DirectoryId }, s.createSnapshot),
		operation.New("DeleteDirectory", operation.Write, func(in *DeleteDirectoryRequest) string { return *in.DirectoryId }, s.deleteDirectory),
		operation.New("DeleteSnapshot", operation.Write, func(in *DeleteSnapshotRequest) string { return s.snapshotOf(in.SnapshotId) }, s.deleteSnapshot),
		operation.New("DescribeDirectories", operation.Read, nil, s.describeDirectories),
		operation.New("DescribeDomainControllers", operation.Read, func(in *DescribeDomainControllersRequest) string { return *in.DirectoryId }, s.describeDomainControllers),
		operation.New("DescribeSnapshots", operation.Read, func(in *DescribeSnapshotsRequest) string { return value(in.DirectoryId) }, s.describeSnapshots),
		operation.New("GetSnapshotLimits", operation.Read, func(in *GetSnapshotLimitsRequest) string { return *in.DirectoryId }, s.getSnapshotLimits),
		operation.Knowing(operation.New("ResetUserPassword", operation.Write, func(in *ResetUserPasswordRequest) string { return *in.DirectoryId }, s.resetUserPassword), s.aboutUser),
		operation.New("RestoreFromSnapshot", operation.Write, func(in *RestoreFromSnapshotRequest) string { return s.snapshotOf(in.SnapshotId) }, s.restoreFromSnapshot),
		operation.New("UpdateNumberOfDomainControllers", operation.Write, func(in *UpdateNumberOfDomainControllersRequest) string { return *in.DirectoryId }, s.updateNumberOfDomainControllers),
	}
}
