package identity

import (
	"errors"
	"fmt"
	"time"

	"latchkey/internal/store"
)

// Issuer makes access keys for people and programs, and knows those that it made. It is safe for concurrent use.
type Issuer struct {
	Records   *store.AccessKeys
	Sealer    Sealer
	Partition string
	Now       func() time.Time
	// HasRole says whether an account has a role; nil where there are none.
	HasRole func(account, name string) bool
}

// Sealer makes secrets that nobody can read in the store.
type Sealer interface {
	Seal(plain []byte, owner string) []byte
	Open(sealed []byte, owner string) ([]byte, error)
}

// New is a record for a new access key of a user, without its policies, and the secret. It is not in the store yet.
func (i *Issuer) New(account, userName string) (store.AccessKey, Credentials, error) {
	fresh, err := newCredentials()
	if err != nil {
		return store.AccessKey{}, fresh, err
	}
	secret := []byte(fresh.SecretAccessKey)
	defer clear(secret)
	return store.AccessKey{
		ID: fresh.AccessKeyID, Account: account, UserName: userName, Secret: i.Sealer.Seal(secret, sealed(fresh.AccessKeyID)), Created: i.Now(),
	}, fresh, nil
}

func sealed(accessKeyID string) string { return "access-key/" + accessKeyID }

// Ended says whether an access key proves nothing any more.
func (i *Issuer) Ended(record store.AccessKey) bool {
	return record.Inactive || !record.Expires.IsZero() && !i.Now().Before(record.Expires)
}

// lookup is the secret and the principal of an access key. Its error is errNotIssued where there is none, and wraps ErrUnknownKey
// where it proves nothing any more: AWS has no other answer then.
func (i *Issuer) lookup(accessKeyID string) (string, Principal, error) {
	record, err := i.Records.Find(accessKeyID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", Principal{}, errNotIssued
	case err != nil:
		return "", Principal{}, err
	case i.Ended(record):
		return "", Principal{}, fmt.Errorf("%w: the key of %s is inactive or has expired", ErrUnknownKey, record.UserName)
	}
	secret, err := i.Sealer.Open(record.Secret, sealed(accessKeyID))
	if err != nil {
		return "", Principal{}, fmt.Errorf("access key %s: %w", accessKeyID, err)
	}
	defer clear(secret)
	return string(secret), User(i.Partition, record.Account, record.UserName, accessKeyID), nil
}
