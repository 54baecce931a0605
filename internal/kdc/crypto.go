package kdc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	mathbits "math/bits"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/etype"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	aes256 = etypeID.AES256_CTS_HMAC_SHA1_96
	aes128 = etypeID.AES128_CTS_HMAC_SHA1_96
)

var errIntegrity = errors.New("the integrity check of an encrypted part failed")

// cipherOf is an encryption type of ours, or an error.
func cipherOf(kind int32) (etype.EType, error) {
	if kind != aes256 && kind != aes128 {
		return nil, errIntegrity
	}
	return crypto.GetEtype(kind)
}

// open decrypts what somebody has sent. Its error is errIntegrity for everything that is not under that key.
func open(data types.EncryptedData, key types.EncryptionKey, usage uint32) ([]byte, error) {
	e, err := cipherOf(key.KeyType)
	if err != nil || data.EType != key.KeyType || len(key.KeyValue) != e.GetKeyByteSize() {
		return nil, errIntegrity
	}
	if len(data.Cipher) < e.GetConfounderByteSize()+e.GetHMACBitLength()/8 {
		return nil, errIntegrity
	}
	at := len(data.Cipher) - checksumSize
	plain, err := e.DecryptData(derive(key.KeyValue, usage, forEncryption), data.Cipher[:at])
	if err != nil || !hmac.Equal(mac(derive(key.KeyValue, usage, forIntegrity), plain), data.Cipher[at:]) {
		return nil, errIntegrity
	}
	return plain[e.GetConfounderByteSize():], nil
}

// seal encrypts; version is the key's kvno, 0 for a session key.
func seal(plain []byte, key types.EncryptionKey, usage uint32, version int) (types.EncryptedData, error) {
	e, err := cipherOf(key.KeyType)
	if err != nil || len(key.KeyValue) != e.GetKeyByteSize() {
		return types.EncryptedData{}, errIntegrity
	}
	size := e.GetConfounderByteSize()
	whole := make([]byte, size+len(plain))
	defer clear(whole)
	_, _ = rand.Read(whole[:size]) // never fails
	copy(whole[size:], plain)
	_, sealed, err := e.EncryptData(derive(key.KeyValue, usage, forEncryption), whole)
	if err != nil {
		return types.EncryptedData{}, err
	}
	sealed = append(sealed, mac(derive(key.KeyValue, usage, forIntegrity), whole)...)
	return types.EncryptedData{EType: key.KeyType, KVNO: version, Cipher: sealed}, nil
}

// What a derived key is for (RFC 3961 section 5.3).
const (
	forEncryption = 0xaa
	forIntegrity  = 0x55
	forChecksum   = 0x99
)

// derive is DK of RFC 3961 section 5.1 for the keys that an exchange needs a dozen of. The key has an AES key's size.
func derive(key []byte, usage uint32, purpose byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the callers have looked
	}
	out := fold(usage, purpose)
	block.Encrypt(out[:aes.BlockSize], out[:aes.BlockSize])
	block.Encrypt(out[aes.BlockSize:], out[:aes.BlockSize])
	return out[:len(key)]
}

// fold is 128-fold of the five bytes of a usage and a purpose (RFC 3961 section 5.1), with room for a block behind it: sixteen
// copies, each rotated by 13 bits more than the one before it, taken as numbers of 16 bytes and added in one's complement.
func fold(usage uint32, purpose byte) []byte {
	const bits, blocks = 40, 5
	copies := make([]byte, 0, blocks*aes.BlockSize)
	value := uint64(usage)<<8 | uint64(purpose)
	for i := range aes.BlockSize {
		by := 13 * i % bits
		turned := (value>>by | value<<(bits-by)) & (1<<bits - 1)
		copies = append(copies, byte(turned>>32), byte(turned>>24), byte(turned>>16), byte(turned>>8), byte(turned))
	}
	var high, low, carry uint64
	for ; len(copies) > 0; copies = copies[aes.BlockSize:] {
		low, carry = mathbits.Add64(low, binary.BigEndian.Uint64(copies[8:]), 0)
		high, carry = mathbits.Add64(high, binary.BigEndian.Uint64(copies), carry)
		low, carry = mathbits.Add64(low, carry, 0)
		high, _ = mathbits.Add64(high, 0, carry)
	}
	out := make([]byte, 2*aes.BlockSize)
	binary.BigEndian.PutUint64(out, high)
	binary.BigEndian.PutUint64(out[8:], low)
	return out
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha1.New, key)
	h.Write(data)
	return h.Sum(nil)[:checksumSize]
}

// newKey is a random session key.
func newKey(kind int32) (types.EncryptionKey, error) {
	e, err := cipherOf(kind)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	key := types.EncryptionKey{KeyType: kind, KeyValue: make([]byte, e.GetKeyByteSize())}
	_, _ = rand.Read(key.KeyValue) // never fails
	return key, nil
}

// checksum is the keyed checksum of an encryption key's own type (RFC 3962 section 7).
func checksum(data []byte, key types.EncryptionKey, usage uint32) (types.Checksum, error) {
	e, err := cipherOf(key.KeyType)
	if err != nil {
		return types.Checksum{}, err
	}
	if len(key.KeyValue) != e.GetKeyByteSize() {
		return types.Checksum{}, errIntegrity
	}
	return types.Checksum{CksumType: e.GetHashID(), Checksum: mac(derive(key.KeyValue, usage, forChecksum), data)}, nil
}

// verify says whether a checksum is that of the data under the key.
func verify(data []byte, given types.Checksum, key types.EncryptionKey, usage uint32) bool {
	own, err := checksum(data, key, usage)
	return err == nil && own.CksumType == given.CksumType && hmac.Equal(own.Checksum, given.Checksum)
}

const checksumSize = 12 // of both our types

func checksumType(kind int32) int32 {
	if kind == aes128 {
		return chksumtype.HMAC_SHA1_96_AES128
	}
	return chksumtype.HMAC_SHA1_96_AES256
}

// prf is the pseudo-random function of our encryption types (RFC 3962 section 6, RFC 3961 section 5.3).
func prf(key types.EncryptionKey, input []byte) ([]byte, error) {
	e, err := cipherOf(key.KeyType)
	if err != nil {
		return nil, err
	}
	derived, err := e.DeriveKey(key.KeyValue, []byte("prf"))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	hash := sha1.Sum(input) //nolint:gosec // what the encryption type is defined by
	out := make([]byte, aes.BlockSize)
	cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(out, hash[:aes.BlockSize])
	return out, nil
}

// combine is KRB-FX-CF2 (RFC 6113 section 5.1): a key of the first one's type that depends on both.
func combine(a, b types.EncryptionKey, pepperA, pepperB string) (types.EncryptionKey, error) {
	e, err := cipherOf(a.KeyType)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	size := e.GetKeyByteSize()
	stretch := func(key types.EncryptionKey, pepper string) (out []byte, err error) {
		for i := byte(1); len(out) < size; i++ {
			part, err := prf(key, append([]byte{i}, pepper...))
			if err != nil {
				return nil, err
			}
			out = append(out, part...)
		}
		return out[:size], nil
	}
	left, err := stretch(a, pepperA)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	right, err := stretch(b, pepperB)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	subtle.XORBytes(left, left, right)
	return types.EncryptionKey{KeyType: a.KeyType, KeyValue: left}, nil
}
