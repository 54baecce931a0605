package admin

import (
	"context"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// createAccessKey makes an access key. Its secret is in the answer, and nowhere else afterwards.
func (s *Service) createAccessKey(ctx context.Context, call *operation.Call, in *CreateAccessKeyRequest) (*CreateAccessKeyResult, error) {
	policies, err := readPolicies(in.Policies)
	if err != nil {
		return nil, err
	}
	if len(s.AccessKeys.Records.All(call.Account, "", "", maxAccessKeys)) == maxAccessKeys {
		return nil, fault.Newf(fault.Client, "The account has %d access keys, and cannot have more.", maxAccessKeys)
	}
	record, credentials, err := s.AccessKeys.New(call.Account, *in.UserName)
	if err != nil {
		return nil, err
	}
	record.Policies = policies
	for _, tag := range in.Tags {
		record.Tags = append(record.Tags, store.Tag{Key: *tag.Key, Value: *tag.Value})
	}
	if in.LifetimeSeconds != nil {
		record.Expires = record.Created.Add(seconds(*in.LifetimeSeconds))
	}
	if err := s.AccessKeys.Records.Put(ctx, &record); err != nil {
		return nil, s.accessKeyFault(record.ID, err)
	}
	return &CreateAccessKeyResult{AccessKey: new(s.describeAccessKey(record)), SecretAccessKey: wire.NewSecret([]byte(credentials.SecretAccessKey))}, nil
}
