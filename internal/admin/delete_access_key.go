package admin

import (
	"context"

	"latchkey/internal/operation"
)

// deleteAccessKey deletes an access key. It proves nothing from then on.
func (s *Service) deleteAccessKey(ctx context.Context, call *operation.Call, in *DeleteAccessKeyRequest) (*DeleteAccessKeyResult, error) {
	record, err := s.findAccessKey(call, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	return &DeleteAccessKeyResult{}, s.accessKeyFault(record.ID, s.AccessKeys.Records.Remove(ctx, record))
}
