package ds

import (
	"context"
	"slices"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// describeSnapshots lists the snapshots of a directory, or all of the caller's in the Region, by their ids (API reference,
// DescribeSnapshots). No ids stand for all.
func (s *Service) describeSnapshots(_ context.Context, call *operation.Call, in *DescribeSnapshotsRequest) (*DescribeSnapshotsResult, error) {
	list := "DescribeSnapshots/" + value(in.DirectoryId)
	after, err := s.openToken(call, list, in.NextToken)
	if err != nil {
		return nil, err
	}
	if in.DirectoryId != nil {
		if _, err := s.find(call, *in.DirectoryId); err != nil {
			return nil, err
		}
	}
	for _, id := range in.SnapshotIds {
		snapshot, _, err := s.findSnapshot(call, id)
		if err != nil {
			return nil, err
		}
		if in.DirectoryId != nil && snapshot.Directory != *in.DirectoryId {
			return nil, fault.Newf(fault.EntityDoesNotExist, "Snapshot %s does not exist in directory %s.", id, *in.DirectoryId)
		}
	}
	limit := pageLimit(in.Limit, pageSize)
	snapshots := s.Lifecycle.Snapshots(func(snapshot store.Snapshot) bool {
		return snapshot.Account == call.Account && snapshot.Region == call.Region && (in.DirectoryId == nil || snapshot.Directory == *in.DirectoryId) &&
			(len(in.SnapshotIds) == 0 || slices.Contains(in.SnapshotIds, snapshot.ID))
	}, after, limit+1)
	out := &DescribeSnapshotsResult{Snapshots: make([]Snapshot, 0, len(snapshots))}
	if len(snapshots) > limit {
		snapshots = snapshots[:limit]
		out.NextToken = s.sealToken(call, list, snapshots[limit-1].ID)
	}
	for _, snapshot := range snapshots {
		out.Snapshots = append(out.Snapshots, Snapshot{
			DirectoryId: &snapshot.Directory, SnapshotId: &snapshot.ID, Name: optional(snapshot.Name), Type: &snapshot.Type, Status: &snapshot.Status,
			StartTime: wire.At(snapshot.StartTime),
		})
	}
	return out, nil
}
