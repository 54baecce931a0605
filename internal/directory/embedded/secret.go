package embedded

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
	"github.com/jcmturner/gokrb5/v8/crypto"

	"latchkey/internal/store"
)

// Passwords rest as AD keeps them: as Kerberos keys, aes256- and aes128-cts-hmac-sha1-96 (RFC 3962), sealed with
// AES-256-GCM under a master key that is not in the store. A login by LDAP derives the aes256 key and compares.

// Keyring seals what the store may not see in clear, and opens it. It is safe for concurrent use.
type Keyring struct {
	aeads []cipher.AEAD // the first one seals
}

// MasterKeySize is a master key's, in bytes: AES-256's.
const MasterKeySize = 32

// sealFormat is the first byte of everything sealed, so that another scheme can follow.
const sealFormat = 1

// NewKeyring takes the master key that seals, and those that only open what was sealed with them before.
func NewKeyring(key []byte, former ...[]byte) (*Keyring, error) {
	k := &Keyring{}
	for _, each := range append([][]byte{key}, former...) {
		if len(each) != MasterKeySize {
			return nil, fmt.Errorf("a master key has %d bytes, and this one %d", MasterKeySize, len(each))
		}
		block, err := aes.NewCipher(each)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		k.aeads = append(k.aeads, aead)
	}
	return k, nil
}

// Seal encrypts; owner is what the secret belongs to, and Open must be told the same.
func (k *Keyring) Seal(plain []byte, owner string) []byte {
	aead := k.aeads[0]
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	sealed := append([]byte{sealFormat}, nonce...)
	return aead.Seal(sealed, nonce, plain, []byte(owner))
}

// Open is what was sealed for that owner. It fails under other master keys.
func (k *Keyring) Open(sealed []byte, owner string) ([]byte, error) {
	plain, _, err := k.open(sealed, owner)
	return plain, err
}

// open says with which key it was sealed, too. No text names its key: only one of them opens it.
func (k *Keyring) open(sealed []byte, owner string) (plain []byte, by int, err error) {
	size := 1 + k.aeads[0].NonceSize()
	if len(sealed) < size || sealed[0] != sealFormat {
		return nil, 0, errors.New("a sealed secret is not of a format this version knows")
	}
	for by, aead := range k.aeads {
		if plain, err := aead.Open(nil, sealed[1:size], sealed[size:], []byte(owner)); err == nil {
			return plain, by, nil
		}
	}
	return nil, 0, errors.New("a sealed secret does not open: the master key is not the one it was sealed with, or the record was altered")
}

// Reseal is the same secret under the key that seals: sealed itself where it is that already.
func (k *Keyring) Reseal(sealed []byte, owner string) ([]byte, error) {
	plain, by, err := k.open(sealed, owner)
	if err != nil || by == 0 {
		return sealed, err
	}
	defer clear(plain)
	return k.Seal(plain, owner), nil
}

// secret is an account's keys and the older ones that its history remembers.
type secret struct {
	Keys    keys   `cbor:"1,keyasint"`
	Version int    `cbor:"2,keyasint"` // kvno
	History []keys `cbor:"3,keyasint,omitempty"`
}

// keys are one password's (RFC 3962 section 4), with AD's salt. Those in a history have no AES128.
type keys struct {
	Salt   string `cbor:"1,keyasint"`
	AES256 []byte `cbor:"2,keyasint"`
	AES128 []byte `cbor:"3,keyasint,omitempty"`
}

const (
	keyIterations = 4096 // RFC 3962 section 4
	aes256KeySize = 32
	aes128KeySize = 16
)

// deriveKeys makes both keys of a password. PBKDF2's first 16 bytes are the same for both lengths, so it runs once.
func deriveKeys(password []byte, salt string) (keys, error) {
	// A view, not a copy: the caller can wipe the password, a string of its own could not be wiped.
	view := unsafe.String(unsafe.SliceData(password), len(password))
	seed, err := pbkdf2.Key(sha1.New, view, []byte(salt), keyIterations, aes256KeySize)
	if err != nil {
		return keys{}, err
	}
	defer clear(seed)
	k := keys{Salt: salt}
	var aes256 crypto.Aes256CtsHmacSha96
	var aes128 crypto.Aes128CtsHmacSha96
	if k.AES256, err = aes256.DeriveKey(seed, []byte("kerberos")); err != nil {
		return keys{}, err
	}
	if k.AES128, err = aes128.DeriveKey(seed[:aes128KeySize], []byte("kerberos")); err != nil {
		return keys{}, err
	}
	return k, nil
}

// same compares two derived keys in constant time.
func (k keys) same(other keys) bool {
	return k.Salt == other.Salt && len(k.AES256) == aes256KeySize && subtle.ConstantTimeCompare(k.AES256, other.AES256) == 1
}

func (k keys) clone() keys {
	return keys{Salt: k.Salt, AES256: slices.Clone(k.AES256), AES128: slices.Clone(k.AES128)}
}

func (k keys) wipe() {
	clear(k.AES256)
	clear(k.AES128)
}

func (s *secret) wipe() {
	s.Keys.wipe()
	for _, old := range s.History {
		old.wipe()
	}
}

// replace makes next the current keys and remembers the former ones.
func (s *secret) replace(next keys, history int) {
	if len(s.Keys.AES256) > 0 && history > 0 {
		s.History = append([]keys{{Salt: s.Keys.Salt, AES256: s.Keys.AES256}}, s.History...)
	}
	s.History = s.History[:min(len(s.History), max(history-1, 0))]
	s.Keys = next
	s.Version++
}

func (k *Keyring) sealSecret(s *secret, directory string, guid store.GUID) ([]byte, error) {
	plain, err := cbor.Marshal(s)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return k.Seal(plain, directory+"/"+guid.String()), nil
}

// openSecret gives an empty secret for an account without a password.
func (k *Keyring) openSecret(sealed []byte, directory string, guid store.GUID) (*secret, error) {
	s := &secret{}
	if len(sealed) == 0 {
		return s, nil
	}
	plain, err := k.Open(sealed, directory+"/"+guid.String())
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return s, cbor.Unmarshal(plain, s)
}

// salt is AD's (MS-KILE section 3.1.1.2): realm and account name, and for computers realm, "host" and the DNS name.
func (t *tree) salt(n *node) string {
	account := n.first("sAMAccountName")
	if n.class != nil && n.class.name == "computer" {
		return t.domain.Realm() + "host" + strings.ToLower(strings.TrimSuffix(account, "$")) + "." + t.domain.Name
	}
	return t.domain.Realm() + account
}
