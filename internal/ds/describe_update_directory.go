package ds

import (
	"context"
	"fmt"

	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// describeUpdateDirectory lists the updates of one type of a directory's setup, the oldest first (API reference,
// DescribeUpdateDirectory).
func (s *Service) describeUpdateDirectory(_ context.Context, call *operation.Call, in *DescribeUpdateDirectoryRequest) (*DescribeUpdateDirectoryResult, error) {
	record, err := s.findDirectory(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	var updates []store.Update
	for _, update := range record.Updates {
		if update.Type == *in.UpdateType && (in.RegionName == nil || update.Region == *in.RegionName) {
			updates = append(updates, update)
		}
	}
	list := fmt.Sprintf("DescribeUpdateDirectory/%s/%s/%s", record.ID, *in.UpdateType, value(in.RegionName))
	page, next, err := pageOf(s, call, list, in.NextToken, nil, updates, func(u store.Update) string { return u.Start.Format(sortable) })
	out := &DescribeUpdateDirectoryResult{UpdateActivities: []UpdateInfoEntry{}, NextToken: next}
	for _, update := range page {
		entry := UpdateInfoEntry{
			Region: &update.Region, Status: &update.State, StatusReason: optional(update.Reason), InitiatedBy: &update.Initiator,
			StartTime: wire.At(update.Start), LastUpdatedDateTime: wire.At(update.Since),
		}
		if update.Type == UpdateTypeOS {
			entry.PreviousValue = &UpdateValue{OSUpdateSettings: &OSUpdateSettings{OSVersion: &update.Previous}}
			entry.NewValue = &UpdateValue{OSUpdateSettings: &OSUpdateSettings{OSVersion: &update.New}}
		}
		out.UpdateActivities = append(out.UpdateActivities, entry)
	}
	return out, err
}

// sortable writes moments so that they sort as they follow.
const sortable = "2006-01-02T15:04:05.000000000Z07:00"
