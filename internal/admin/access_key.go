package admin

import (
	"errors"
	"time"

	"latchkey/internal/authz"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// maxAccessKeys is how many access keys an account has at most, beside the root's.
const maxAccessKeys = 1000

// findAccessKey is the caller's access key of that id.
func (s *Service) findAccessKey(call *operation.Call, id string) (store.AccessKey, error) {
	record, err := s.AccessKeys.Records.Find(id)
	if err != nil || record.Account != call.Account {
		return record, noAccessKey(id).Because(err)
	}
	return record, nil
}

func noAccessKey(id string) *fault.Error {
	return fault.Newf(fault.EntityDoesNotExist, "Access key %s does not exist.", id)
}

// accessKeyFault is the exception for a write of an access key that failed.
func (s *Service) accessKeyFault(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return noAccessKey(id).Because(err)
	case errors.Is(err, store.ErrConflict):
		return fault.Newf(fault.Client, "Access key %s was changed by another request at the same time.", id).Because(err)
	case errors.Is(err, store.ErrUnknown):
		unknown := fault.New(fault.Service, "It is not known whether the request was carried out.").Because(err)
		unknown.OutcomeUnknown = true
		return unknown
	}
	return err
}

// readPolicies refuses policies that could not be evaluated.
func readPolicies(in []AccessKeyPolicy) ([]store.Policy, error) {
	var all []store.Policy
	for _, p := range in {
		if _, err := authz.Parse(*p.PolicyName, []byte(*p.PolicyDocument)); err != nil {
			return nil, fault.Newf(fault.InvalidParameter, "Policy %s: %v", *p.PolicyName, err)
		}
		for _, other := range all {
			if other.Name == *p.PolicyName {
				return nil, fault.Newf(fault.InvalidParameter, "There are two policies of the name %s.", other.Name)
			}
		}
		all = append(all, store.Policy{Name: *p.PolicyName, Document: *p.PolicyDocument})
	}
	return all, nil
}

const (
	statusActive   = AccessKeyStatusActive
	statusInactive = AccessKeyStatusInactive
)

// describeAccessKey is an access key without its secret. One that has expired is Inactive.
func (s *Service) describeAccessKey(record store.AccessKey) AccessKey {
	status := statusActive
	if s.AccessKeys.Ended(record) {
		status = statusInactive
	}
	out := AccessKey{AccessKeyId: &record.ID, UserName: &record.UserName, Status: &status, CreateDate: &wire.Timestamp{Time: record.Created}}
	if !record.Expires.IsZero() {
		out.ExpireDate = &wire.Timestamp{Time: record.Expires}
	}
	for _, p := range record.Policies {
		out.Policies = append(out.Policies, AccessKeyPolicy{PolicyName: &p.Name, PolicyDocument: &p.Document})
	}
	for _, tag := range record.Tags {
		out.Tags = append(out.Tags, AccessKeyTag{Key: &tag.Key, Value: &tag.Value})
	}
	return out
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
