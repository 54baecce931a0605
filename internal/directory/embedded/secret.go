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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
	"github.com/jcmturner/gokrb5/v8/crypto"

	"latchkey/internal/durable"
	"latchkey/internal/store"
)

// Passwords rest as AD keeps them: as Kerberos keys, aes256- and aes128-cts-hmac-sha1-96 (RFC 3962), sealed with
// AES-256-GCM under a master key that is not in the store. A login by LDAP derives the aes256 key and compares.

// Keyring seals what the store may not see in clear.
type Keyring struct{ aead cipher.AEAD }

const masterKeySize = 32

// sealFormat is the first byte of everything sealed, so that another scheme can follow.
const sealFormat = 1

// LoadKeyring reads the master key from dir, and makes it when there is none.
func LoadKeyring(dir string) (*Keyring, error) {
	path := filepath.Join(dir, "master.key")
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key, err = makeMasterKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	defer clear(key)
	if len(key) != masterKeySize {
		return nil, fmt.Errorf("master key: %s must hold %d bytes and holds %d", path, masterKeySize, len(key))
	}
	return NewKeyring(key)
}

// NewKeyring takes a master key of 32 bytes.
func NewKeyring(key []byte) (*Keyring, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Keyring{aead}, nil
}

// makeMasterKey writes a new key so that it is either whole on the disk or not there: everything sealed depends on it.
func makeMasterKey(path string) ([]byte, error) {
	key := make([]byte, masterKeySize)
	_, _ = rand.Read(key) // never fails
	return key, durable.Replace(path, 0o600, key)
}

// Seal encrypts; owner is what the secret belongs to, and Open must be told the same.
func (k *Keyring) Seal(plain []byte, owner string) []byte {
	nonce := make([]byte, k.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	sealed := append([]byte{sealFormat}, nonce...)
	return k.aead.Seal(sealed, nonce, plain, []byte(owner))
}

// Open is what was sealed for that owner. It fails under another master key.
func (k *Keyring) Open(sealed []byte, owner string) ([]byte, error) {
	size := 1 + k.aead.NonceSize()
	if len(sealed) < size || sealed[0] != sealFormat {
		return nil, errors.New("a sealed secret is not of a format this version knows")
	}
	plain, err := k.aead.Open(nil, sealed[1:size], sealed[size:], []byte(owner))
	if err != nil {
		return nil, errors.New("a sealed secret does not open: the master key is not the one it was sealed with, or the record was altered")
	}
	return plain, nil
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
