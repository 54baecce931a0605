package admin

import (
	"context"
	"errors"
	"time"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// rotateAccessKey makes an access key for the user of another one, with its policies and as long a life. The other one ends
// after a while in which both work.
func (s *Service) rotateAccessKey(ctx context.Context, call *operation.Call, in *RotateAccessKeyRequest) (*RotateAccessKeyResult, error) {
	former, err := s.findAccessKey(call, *in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	if s.AccessKeys.Ended(former) {
		return nil, fault.Newf(fault.InvalidParameter, "Access key %s is inactive or has expired. Create another one.", former.ID)
	}
	record, credentials, err := s.AccessKeys.New(call.Account, former.UserName)
	if err != nil {
		return nil, err
	}
	record.Policies, record.Tags, record.Follows = former.Policies, former.Tags, former.ID
	if !former.Expires.IsZero() {
		record.Expires = record.Created.Add(former.Expires.Sub(former.Created))
	}
	if err := s.AccessKeys.Records.Put(ctx, &record); err != nil {
		return nil, s.accessKeyFault(record.ID, err)
	}
	ends := record.Created.Add(overlap(in.OverlapSeconds))
	_, err = s.AccessKeys.Records.Update(ctx, former.ID, func(former *store.AccessKey) error {
		if former.Expires.IsZero() || former.Expires.After(ends) {
			former.Expires = ends
		}
		return nil
	})
	if err != nil {
		// Nobody has the secret of the new key: it goes again.
		return nil, s.accessKeyFault(former.ID, errors.Join(err, s.AccessKeys.Records.Remove(ctx, record)))
	}
	return &RotateAccessKeyResult{AccessKey: new(s.describeAccessKey(record)), SecretAccessKey: wire.NewSecret([]byte(credentials.SecretAccessKey))}, nil
}

// overlap is how long a key works beside the one that follows it: a day, unless told otherwise.
func overlap(wanted *int32) time.Duration {
	if wanted == nil {
		return 24 * time.Hour
	}
	return seconds(*wanted)
}
