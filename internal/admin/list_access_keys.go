package admin

import (
	"context"

	"latchkey/internal/operation"
)

// listAccessKeys lists the account's access keys, by their ids, without their secrets and without the root's.
func (s *Service) listAccessKeys(_ context.Context, call *operation.Call, in *ListAccessKeysRequest) (*ListAccessKeysResult, error) {
	out := &ListAccessKeysResult{AccessKeys: []AccessKey{}}
	for _, record := range s.AccessKeys.Records.All(call.Account, "", "", maxAccessKeys) {
		if in.UserName == nil || *in.UserName == record.UserName {
			out.AccessKeys = append(out.AccessKeys, s.describeAccessKey(record))
		}
	}
	return out, nil
}
