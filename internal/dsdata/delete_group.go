package dsdata

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

// deleteGroup deletes a group (API reference, DeleteGroup).
func (s *Service) deleteGroup(ctx context.Context, call *operation.Call, in *DeleteGroupRequest) (*DeleteGroupResult, error) {
	d, err := s.open(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	return once(ctx, d, in.ClientToken, in, func() (*DeleteGroupResult, error) {
		group, err := d.own(ctx, directory.Groups, *in.SAMAccountName)
		if err != nil {
			return nil, err
		}
		if err := directory.Delete(ctx, d.conn, group); err != nil {
			return nil, d.fault(noun(directory.Groups), err)
		}
		return &DeleteGroupResult{}, nil
	})
}
