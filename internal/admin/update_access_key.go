package admin

import (
	"context"

	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// updateAccessKey disables or enables an access key, or gives it other policies in the place of those that it has.
func (s *Service) updateAccessKey(ctx context.Context, call *operation.Call, in *UpdateAccessKeyRequest) (*UpdateAccessKeyResult, error) {
	policies, err := readPolicies(in.Policies)
	if err != nil {
		return nil, err
	}
	if _, err := s.findAccessKey(call, *in.AccessKeyId); err != nil {
		return nil, err
	}
	_, err = s.AccessKeys.Records.Update(ctx, *in.AccessKeyId, func(record *store.AccessKey) error {
		if in.Status != nil {
			record.Inactive = *in.Status == statusInactive
		}
		if in.Policies != nil {
			record.Policies = policies
		}
		return nil
	})
	return &UpdateAccessKeyResult{}, s.accessKeyFault(*in.AccessKeyId, err)
}
