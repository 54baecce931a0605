package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"regexp"
)

// What a lookup may answer besides a secret. The verifier turns each into AWS's own exception.
var (
	// ErrAny means that every key is welcome: the principal is valid and the signature need not be compared.
	ErrAny = errors.New("identity: any access key is accepted")
	// ErrUnknownKey means that no such access key exists, or that it is inactive.
	ErrUnknownKey = errors.New("identity: unknown access key")
	// ErrToken means that the session token does not belong to the access key.
	ErrToken = errors.New("identity: session token does not belong to the access key")
	// ErrExpired means that the session has ended.
	ErrExpired = errors.New("identity: session token has expired")
)

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// Keys answers which secret and which principal an access key stands for. It is safe for concurrent use.
type Keys struct {
	partition string
	account   string
	root      Credentials
	rootHash  [sha256.Size]byte
	issuer    *Issuer
	any       bool
}

// NewKeys knows the root's key, in an account of 12 digits, and those that the issuer has made.
func NewKeys(partition, account string, root Credentials, issuer *Issuer) *Keys {
	return &Keys{partition: partition, account: account, root: root, rootHash: sha256.Sum256([]byte(root.AccessKeyID)), issuer: issuer}
}

// NewAnyKeys takes every access key that the issuer has not made for the root's. One that is an account's number, 12 digits, is
// that account's root. It is for development only: nothing is proved by a call.
func NewAnyKeys(partition, account string, issuer *Issuer) *Keys {
	return &Keys{partition: partition, account: account, any: true, issuer: issuer}
}

// Lookup is the secret and the principal of an access key. Its error is ErrAny, with a valid principal, ErrUnknownKey,
// ErrToken or ErrExpired. A long-lived key has no session token, so that one sent with it is refused; a temporary one needs its own.
func (k *Keys) Lookup(_ context.Context, accessKeyID, sessionToken string) (string, Principal, error) {
	if k.issuer != nil && sessionToken != "" && isTemporary(accessKeyID) {
		secret, principal, err := k.session(accessKeyID, sessionToken)
		// A developer's server takes the credentials of anybody, AWS's too.
		if !k.any || !errors.Is(err, ErrToken) {
			return secret, principal, err
		}
	}
	secret, principal, err := k.long(accessKeyID)
	if err == nil && sessionToken != "" {
		return "", Principal{}, ErrToken
	}
	return secret, principal, err
}

// long is the secret and the principal of a long-lived access key. Its errors are Lookup's.
func (k *Keys) long(accessKeyID string) (string, Principal, error) {
	secret, principal, err := k.issued(accessKeyID)
	if !errors.Is(err, errNotIssued) {
		return secret, principal, err
	}
	if k.any {
		account := k.account
		if accountPattern.MatchString(accessKeyID) {
			account = accessKeyID
		}
		return "", Root(k.partition, account, accessKeyID), ErrAny
	}
	// Hashing first keeps the length of the known key out of the timing.
	sent := sha256.Sum256([]byte(accessKeyID))
	if subtle.ConstantTimeCompare(sent[:], k.rootHash[:]) != 1 {
		return "", Principal{}, ErrUnknownKey
	}
	return k.root.SecretAccessKey, Root(k.partition, k.account, k.root.AccessKeyID), nil
}

// errNotIssued says that the issuer has made no such key.
var errNotIssued = errors.New("identity: not an issued key")

func (k *Keys) issued(accessKeyID string) (string, Principal, error) {
	if k.issuer == nil {
		return "", Principal{}, errNotIssued
	}
	return k.issuer.lookup(accessKeyID)
}
