package audit

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"latchkey/internal/durable"
)

// Files of the signed digest, beside audit.log.
const (
	DigestFile = "audit.digest" // what has been written, signed
	PublicFile = "audit.pub"    // the key that verifies it, in PEM
	keyFile    = "audit.key"    // the key that signs it, sealed with the master key
)

// Sealer keeps the signing key secret: Open is what Seal was given for the same owner.
type Sealer interface {
	Seal(plain []byte, owner string) []byte
	Open(sealed []byte, owner string) ([]byte, error)
}

// LoadSigner reads the key that signs digests from dir, and makes it, with the public one, where there is none.
func LoadSigner(dir string, sealer Sealer) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	sealed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, fresh, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, err
		}
		sealed = sealer.Seal(fresh.Seed(), keyFile)
		if err := durable.Replace(path, 0o600, sealed); err != nil {
			return nil, fmt.Errorf("audit: the key for digests: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("audit: the key for digests: %w", err)
	}
	seed, err := sealer.Open(sealed, keyFile)
	if err != nil {
		return nil, fmt.Errorf("audit: the key for digests: %s: %w", path, err)
	}
	defer clear(seed)
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("audit: the key for digests: %s holds no such key", path)
	}
	key := ed25519.NewKeyFromSeed(seed)
	return key, publish(dir, key.Public().(ed25519.PublicKey))
}

func publish(dir string, key ed25519.PublicKey) error {
	path := filepath.Join(dir, PublicFile)
	if there, err := ReadPublic(path); err == nil && there.Equal(key) {
		return nil
	}
	encoded, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	return durable.Replace(path, 0o644, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded}))
}

// ReadPublic is the Ed25519 key in a file (PEM, PKIX).
func ReadPublic(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: %w", path, errNoKey)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, errNoKey)
	}
	return key, nil
}

var errNoKey = errors.New("it holds no Ed25519 public key (PEM)")

// statement is what a digest says: which files there are, and where the chain stands in each. Files that retention has
// removed are not in it.
type statement struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Files   []part    `json:"files"` // the last one is audit.log
	// Signature is Ed25519's (RFC 8032) of the JSON text without it.
	Signature []byte `json:"signature,omitempty"`
}

const statementVersion = 1

// part is one file. Its first record follows First; its first Unchained bytes, of a version that knew no chain, are what
// First is the SHA-256 of.
type part struct {
	Name      string `json:"name"`
	Size      int64  `json:"size"`
	Unchained int64  `json:"unchained,omitempty"`
	First     link   `json:"first"`
	Last      link   `json:"last"`
	// Rotated is when it got its name: no record in it is younger.
	Rotated time.Time `json:"rotated,omitzero"`
}

func (s statement) text() ([]byte, error) {
	s.Signature = nil
	return json.Marshal(s)
}

func (s statement) write(dir string, key ed25519.PrivateKey) error {
	text, err := s.text()
	if err != nil {
		return err
	}
	s.Signature = ed25519.Sign(key, text)
	if text, err = json.Marshal(s); err != nil {
		return err
	}
	return durable.Replace(filepath.Join(dir, DigestFile), 0o600, append(text, '\n'))
}

var errSignature = errors.New("its signature does not verify")

// readStatement is the digest in dir, once its signature is verified.
func readStatement(dir string, key ed25519.PublicKey) (s statement, err error) {
	path := filepath.Join(dir, DigestFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	return parseStatement(path, text, key)
}

func parseStatement(path string, text []byte, key ed25519.PublicKey) (s statement, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	signed, err := s.text()
	if err != nil {
		return s, err
	}
	if !ed25519.Verify(key, signed, s.Signature) {
		return s, fmt.Errorf("%s: %w", path, errSignature)
	}
	if s.Version != statementVersion || len(s.Files) == 0 {
		return s, fmt.Errorf("%s: version %d is not known", path, s.Version)
	}
	return s, nil
}

// Reseal has the key that signs digests in dir sealed anew, if there is one.
func Reseal(dir string, reseal func(sealed []byte, owner string) ([]byte, error)) error {
	path := filepath.Join(dir, keyFile)
	sealed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		sealed, err = reseal(sealed, keyFile)
	}
	if err == nil {
		err = durable.Replace(path, 0o600, sealed)
	}
	if err != nil {
		return fmt.Errorf("audit: the key for digests: %w", err)
	}
	return nil
}
