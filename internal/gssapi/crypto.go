package gssapi

import (
	"crypto/hmac"
	"crypto/rand"
	"errors"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"
)

var errIntegrity = errors.New("the integrity check failed")

// cipherOf is the encryption type of a key that has the right length, or an error.
func cipherOf(key types.EncryptionKey) (etype.EType, error) {
	if key.KeyType != etypeID.AES256_CTS_HMAC_SHA1_96 && key.KeyType != etypeID.AES128_CTS_HMAC_SHA1_96 {
		return nil, errIntegrity
	}
	e, err := crypto.GetEtype(key.KeyType)
	if err != nil || len(key.KeyValue) != e.GetKeyByteSize() {
		return nil, errIntegrity
	}
	return e, nil
}

const (
	confounderSize = 16 // of both types
	checksumSize   = 12
)

// decrypt is what was sealed under the key for that usage. Its error says nothing of why it was not.
func decrypt(data []byte, key types.EncryptionKey, usage uint32) ([]byte, error) {
	e, err := cipherOf(key)
	if err != nil || len(data) < confounderSize+checksumSize {
		return nil, errIntegrity
	}
	plain, err := e.DecryptMessage(key.KeyValue, data, usage)
	if err != nil {
		return nil, errIntegrity
	}
	return plain, nil
}

func encrypt(plain []byte, key types.EncryptionKey, usage uint32) ([]byte, error) {
	e, err := cipherOf(key)
	if err != nil {
		return nil, err
	}
	_, sealed, err := e.EncryptMessage(key.KeyValue, plain, usage)
	return sealed, err
}

func checksum(data []byte, key types.EncryptionKey, usage uint32) ([]byte, error) {
	e, err := cipherOf(key)
	if err != nil {
		return nil, err
	}
	return e.GetChecksumHash(key.KeyValue, data, usage)
}

func verify(data, sum []byte, key types.EncryptionKey, usage uint32) bool {
	own, err := checksum(data, key, usage)
	return err == nil && hmac.Equal(own, sum)
}

// newKey is a random key of the same type.
func newKey(like types.EncryptionKey) types.EncryptionKey {
	key := types.EncryptionKey{KeyType: like.KeyType, KeyValue: make([]byte, len(like.KeyValue))}
	_, _ = rand.Read(key.KeyValue) // never fails
	return key
}
