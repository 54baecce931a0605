package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxHeader   = 64 << 10
	maxDocument = 256 << 10
	maxKeys     = 100
	// fresh is how long keys are used without asking: an issuer that takes a key back is believed after that.
	fresh = 15 * time.Minute
	// stale is how long they are used when the issuer does not answer.
	stale = 12 * time.Hour
	// pause is between two questions, whoever sends tokens of keys that there are not.
	pause = 10 * time.Second
	// patience is how long somebody waits for an answer.
	patience = 5 * time.Second

	minRSA = 2048
	maxRSA = 8192
)

// keySet is what an issuer's tokens are signed with.
type keySet struct {
	issuer      string
	authorities *x509.CertPool // whom the client believes
	client      *http.Client
	now         func() time.Time

	asking sync.Mutex // one question at a time; those whose key is known and fresh do not wait for it

	mu    sync.Mutex
	keys  []publicKey
	asked time.Time // when it was last asked, with or without an answer
	got   time.Time // when it last answered
	why   error     // why it did not
}

type publicKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	key       crypto.PublicKey
}

// find is the key of that id. Without an id it is the only one for the algorithm. Its error wraps ErrUnreachable or ErrSignature.
func (s *keySet) find(ctx context.Context, id, algorithm string) (crypto.PublicKey, error) {
	if key := s.known(id, algorithm, fresh); key != nil {
		return key, nil
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	if key := s.known(id, algorithm, fresh); key != nil {
		return key, nil
	}
	s.ask(ctx)
	if key := s.known(id, algorithm, stale); key != nil {
		return key, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, s.why)
	}
	return nil, fmt.Errorf("%w: the issuer has no key %q for %s", ErrSignature, id, algorithm)
}

// known is the key of that id, if the issuer has named it within that time; nil otherwise.
func (s *keySet) known(id, algorithm string, within time.Duration) (found crypto.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Sub(s.got) >= within {
		return nil
	}
	for _, k := range s.keys {
		if string(k.algorithm) != algorithm || id != "" && k.id != id {
			continue
		}
		if found != nil {
			return nil // which of them is not said
		}
		found = k.key
	}
	return found
}

// ask gets the keys anew, unless the issuer has just been asked.
func (s *keySet) ask(ctx context.Context) {
	s.mu.Lock()
	last := s.asked
	s.mu.Unlock()
	if s.now().Sub(last) < pause {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.why = s.now(), err
	if err == nil {
		s.keys, s.got = keys, s.asked
	}
}

func (s *keySet) fetch(ctx context.Context) ([]publicKey, error) {
	var discovered struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := s.read(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", &discovered); err != nil {
		return nil, err
	}
	if discovered.Issuer != s.issuer {
		return nil, fmt.Errorf("the issuer calls itself %q", discovered.Issuer)
	}
	if !strings.HasPrefix(discovered.Keys, "https://") {
		return nil, fmt.Errorf("the issuer's keys are at %q, without TLS", discovered.Keys)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.read(ctx, discovered.Keys, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the issuer has %d keys, more than %d", len(set.Keys), maxKeys)
	}
	var keys []publicKey
	for _, each := range set.Keys {
		// One that is not understood is somebody else's (RFC 7517, section 5).
		if key, err := readKey(each); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (s *keySet) read(ctx context.Context, address string, out any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err != nil {
		return err
	}
	if len(text) > maxDocument {
		return fmt.Errorf("%s answers with more than %d octets", address, maxDocument)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}

// readKey reads a JSON Web Key (RFC 7517; RFC 7518, section 6) for one of the algorithms that are taken.
func readKey(text []byte) (publicKey, error) {
	var read jose.JSONWebKey
	if err := read.UnmarshalJSON(text); err != nil {
		return publicKey{}, err
	}
	if read.Use != "" && read.Use != "sig" {
		return publicKey{}, fmt.Errorf("the key is for %s", read.Use)
	}
	out := publicKey{id: read.KeyID, key: read.Key}
	switch key := read.Key.(type) {
	case *rsa.PublicKey:
		out.algorithm = jose.RS256
		if size := key.N.BitLen(); size < minRSA || size > maxRSA {
			return out, fmt.Errorf("an RSA key of %d bits", size)
		}
	case *ecdsa.PublicKey:
		out.algorithm = jose.ES256
		if key.Curve != elliptic.P256() {
			return out, fmt.Errorf("a key on the curve %s", key.Params().Name)
		}
	default:
		return out, fmt.Errorf("keys of type %T are not taken", key)
	}
	if read.Algorithm != "" && read.Algorithm != string(out.algorithm) {
		return out, fmt.Errorf("the key is for %s", read.Algorithm)
	}
	return out, nil
}
