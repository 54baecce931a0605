package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer is an issuer of tokens with keys that a test may change, at a time that stands still.
type issuer struct {
	*httptest.Server
	*Issuer

	mu         sync.Mutex
	now        time.Time
	keys       []any // what is in the key set
	asked      int   // how often the keys were asked for
	calls      string
	keysURL    string
	discovered http.HandlerFunc // in place of the document
}

func newIssuer(t *testing.T, keys ...any) *issuer {
	t.Helper()
	s := &issuer{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), keys: keys}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that does not trust it is meant to fail
	s.StartTLS()
	t.Cleanup(s.Server.Close)
	s.calls, s.keysURL = s.Server.URL, s.Server.URL+"/keys"
	s.Issuer = s.known(t, s.authorities(), "latchkey", "other")
	return s
}

// authorities is whom a client has to believe.
func (s *issuer) authorities() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

// known is what New knows of it.
func (s *issuer) known(t *testing.T, authorities *x509.CertPool, audiences ...string) *Issuer {
	t.Helper()
	i, err := New(s.Server.URL, audiences, authorities, func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func (s *issuer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		if s.discovered != nil {
			s.discovered(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": s.calls, "jwks_uri": s.keysURL})
	case "/keys":
		s.asked++
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.keys})
	default:
		http.NotFound(w, r)
	}
}

// set changes the issuer, later.
func (s *issuer) set(after time.Duration, change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(after)
	if change != nil {
		change()
	}
}

// claims is those of a good token, changed; nil takes one away.
func (s *issuer) claims(change map[string]any) map[string]any {
	all := map[string]any{
		"iss": s.Server.URL, "sub": "jane", "aud": "latchkey", "iat": s.now.Unix(), "exp": s.now.Add(time.Hour).Unix(), "groups": []string{"a", "b"},
	}
	maps.Copy(all, change)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, claims any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if id != "" {
		options.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func public(id string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: id, Key: key.Public(), Use: "sig"}
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestVerify(t *testing.T) {
	one, two, foreign := rsaKey(t, 2048), ecKey(t, elliptic.P256()), rsaKey(t, 2048)
	wide := ecKey(t, elliptic.P384())
	s := newIssuer(t, public("r", one), public("e", two), public("w", wide), map[string]string{"kty": "unknown", "kid": "u"}, "not a key")
	good := sign(t, jose.RS256, one, "r", s.claims(nil))
	if of, err := Of(good); err != nil || of != s.Server.URL {
		t.Errorf("of %q, %v", of, err)
	}
	for name, token := range map[string]string{
		"RS256": good, "ES256": sign(t, jose.ES256, two, "e", s.claims(nil)), "without a key's id": sign(t, jose.RS256, one, "", s.claims(nil)),
		"of several audiences":  sign(t, jose.RS256, one, "r", s.claims(map[string]any{"aud": []string{"x", "latchkey"}})),
		"late, but not by much": sign(t, jose.RS256, one, "r", s.claims(map[string]any{"exp": s.now.Add(-skew).Unix()})),
	} {
		claims, err := s.Verify(t.Context(), token)
		if err != nil || claims.Subject != "jane" || claims.Audience != "latchkey" || len(claims.All["groups"].([]any)) != 2 {
			t.Errorf("%s: %+v, %v", name, claims, err)
		}
	}
	if s.asked != 1 {
		t.Errorf("the keys were asked for %d times", s.asked)
	}
	changed := func(claim string, value any) string {
		return sign(t, jose.RS256, one, "r", s.claims(map[string]any{claim: value}))
	}
	parts := strings.Split(good, ".")
	const none = "eyJhbGciOiJub25lIn0" // {"alg":"none"}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"empty":                     {"", ErrMalformed},
		"no token":                  {"a.b.c", ErrMalformed},
		"too long":                  {strings.Repeat("a", MaxToken+1), ErrMalformed},
		"none":                      {none + "." + parts[1] + ".", ErrMalformed},
		"none, signed":              {none + "." + parts[1] + "." + parts[2], ErrMalformed},
		"a shared secret":           {sign(t, jose.HS256, []byte(strings.Repeat("k", 32)), "r", s.claims(nil)), ErrMalformed},
		"an algorithm that is long": {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+strings.Repeat("a", 10000)+`"}`)) + "." + parts[1] + "." + parts[2], ErrMalformed},
		"RS512":                     {sign(t, jose.RS512, one, "r", s.claims(nil)), ErrMalformed},
		"PS256":                     {sign(t, jose.PS256, one, "r", s.claims(nil)), ErrMalformed},
		"not JSON":                  {signText(t, one, "text", nil), ErrMalformed},
		"a foreign key":             {sign(t, jose.RS256, foreign, "r", s.claims(nil)), ErrSignature},
		"a key's id that is not":    {sign(t, jose.RS256, one, "x", s.claims(nil)), ErrSignature},
		"a key's id that is long":   {sign(t, jose.RS256, one, strings.Repeat("r", maxName+1), s.claims(nil)), ErrMalformed},
		"another key's id":          {sign(t, jose.RS256, one, "e", s.claims(nil)), ErrSignature},
		"a key of another curve":    {sign(t, jose.ES384, wide, "w", s.claims(nil)), ErrMalformed},
		"another's claims":          {parts[0] + "." + strings.Split(changed("sub", "joe"), ".")[1] + "." + parts[2], ErrSignature},
		"another issuer":            {changed("iss", "https://example.com"), ErrClaim},
		"another audience":          {changed("aud", "x"), ErrAudience},
		"no audience":               {changed("aud", nil), ErrAudience},
		"expired":                   {changed("exp", s.now.Add(-skew-time.Second).Unix()), ErrExpired},
		"no end":                    {changed("exp", nil), ErrClaim},
		"not yet":                   {changed("nbf", s.now.Add(time.Hour).Unix()), ErrClaim},
		"issued later":              {changed("iat", s.now.Add(time.Hour).Unix()), ErrClaim},
		"no subject":                {changed("sub", nil), ErrClaim},
		"a subject that is long":    {changed("sub", strings.Repeat("s", maxName+1)), ErrClaim},
		"a subject of no string":    {changed("sub", 7), ErrMalformed},
		"critical, not understood":  {signText(t, one, "{}", map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}), ErrMalformed},
	} {
		if claims, err := s.Verify(t.Context(), c.token); !errors.Is(err, c.want) || len(err.Error()) > 1<<10 {
			t.Errorf("%s: %+v, %v; want %v", name, claims, err, c.want)
		}
	}
}

// signText is what looks like a token with these headers.
func signText(t *testing.T, key *rsa.PrivateKey, text string, headers map[jose.HeaderKey]any) string {
	t.Helper()
	options := (&jose.SignerOptions{ExtraHeaders: headers}).WithHeader("kid", "r")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestKeys is about an issuer that changes its keys, and about one that does not answer.
func TestKeys(t *testing.T) {
	first, second := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	s := newIssuer(t, public("1", first))
	verify := func(key *ecdsa.PrivateKey, id string) error {
		_, err := s.Verify(t.Context(), sign(t, jose.ES256, key, id, s.claims(nil)))
		return err
	}
	if err := verify(first, "1"); err != nil {
		t.Fatal(err)
	}
	// A new key is found out about, but the issuer is not asked at once again.
	s.set(0, func() { s.keys = append(s.keys, public("2", second)) })
	for range 3 {
		if err := verify(second, "2"); !errors.Is(err, ErrSignature) || s.asked != 1 {
			t.Fatalf("at once: %v, asked %d times", err, s.asked)
		}
	}
	s.set(pause, nil)
	if err := verify(second, "2"); err != nil || s.asked != 2 {
		t.Fatalf("later: %v, asked %d times", err, s.asked)
	}
	// Of two keys, a token without an id can't say which.
	if err := verify(second, ""); !errors.Is(err, ErrSignature) {
		t.Errorf("no id: %v", err)
	}
	// A key that is taken back is good until the issuer is asked again.
	s.set(0, func() { s.keys = s.keys[1:] })
	if err := verify(first, "1"); err != nil {
		t.Errorf("a key taken back just now: %v", err)
	}
	s.set(fresh, nil)
	if err := verify(first, "1"); !errors.Is(err, ErrSignature) {
		t.Errorf("a key taken back: %v", err)
	}
	// An issuer that does not answer is believed for a while.
	s.set(fresh, func() {
		s.discovered = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	})
	if err := verify(second, "2"); err != nil {
		t.Errorf("no answer: %v", err)
	}
	s.set(stale, nil)
	if err := verify(second, "2"); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "502") {
		t.Errorf("no answer for long: %v", err)
	}
	s.set(pause, func() { s.discovered = nil })
	if err := verify(second, "2"); err != nil {
		t.Errorf("an answer again: %v", err)
	}
}

// TestUnreachable is every way not to get an issuer's keys.
func TestUnreachable(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	for name, c := range map[string]struct {
		change func(*issuer)
		want   string
	}{
		"redirected": {func(s *issuer) {
			s.discovered = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) }
		}, "redirection"},
		"too large":      {func(s *issuer) { s.keys = append(s.keys, strings.Repeat("x", maxDocument)) }, "octets"},
		"too many":       {func(s *issuer) { s.keys = make([]any, maxKeys+1) }, "more than 100"},
		"another issuer": {func(s *issuer) { s.calls = "https://example.com" }, "calls itself"},
		"without TLS":    {func(s *issuer) { s.keysURL = "http://127.0.0.1/keys" }, "without TLS"},
		"not there":      {func(s *issuer) { s.keysURL += "s" }, "404"},
		"not JSON": {func(s *issuer) {
			s.discovered = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }
		}, "invalid character"},
		"gone":           {func(s *issuer) { s.Server.Close() }, "connect"},
		"keys elsewhere": {func(s *issuer) { s.keysURL = "https://127.0.0.1:0/" }, "dial"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newIssuer(t, public("1", key))
			token := sign(t, jose.ES256, key, "1", s.claims(nil))
			c.change(s)
			if _, err := s.Verify(t.Context(), token); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	// Another authority than the one that the issuer is trusted by.
	s := newIssuer(t, public("1", key))
	stranger, err := New(s.Server.URL, []string{"latchkey"}, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Verify(t.Context(), sign(t, jose.ES256, key, "1", s.claims(nil))); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
}

// TestReadKey is about keys that are not taken.
func TestReadKey(t *testing.T) {
	encoded := func(key jose.JSONWebKey) []byte {
		text, err := key.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	strong := rsaKey(t, 2048)
	for name, text := range map[string][]byte{
		"for encryption": encoded(jose.JSONWebKey{Key: strong.Public(), Use: "enc"}),
		"for RS512":      encoded(jose.JSONWebKey{Key: strong.Public(), Algorithm: "RS512"}),
		"weak":           encoded(jose.JSONWebKey{Key: rsaKey(t, 1024).Public()}),
		"another curve":  encoded(jose.JSONWebKey{Key: ecKey(t, elliptic.P384()).Public()}),
		"a secret":       encoded(jose.JSONWebKey{Key: []byte("a shared secret")}),
		"private":        encoded(jose.JSONWebKey{Key: strong}),
		"nothing":        []byte(`{}`),
	} {
		if key, err := readKey(text); err == nil {
			t.Errorf("%s: %+v is taken", name, key)
		}
	}
	if key, err := readKey(encoded(public("1", strong))); err != nil || key.id != "1" || key.algorithm != jose.RS256 {
		t.Errorf("got %+v, %v", key, err)
	}
}

// TestInherit: an issuer that is known anew, with other audiences, has the keys; one that is trusted otherwise, or another one, has none.
func TestInherit(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	s, other := newIssuer(t, public("1", key)), newIssuer(t)
	verify := func(by *Issuer) error {
		_, err := by.Verify(t.Context(), sign(t, jose.ES256, key, "1", s.claims(map[string]any{"aud": "next"})))
		return err
	}
	if err := verify(s.Issuer); !errors.Is(err, ErrAudience) || s.asked != 1 {
		t.Fatalf("%v, asked %d times", err, s.asked)
	}
	again := s.known(t, s.authorities(), "next")
	again.Inherit(s.Issuer)
	s.Server.Close() // it could not be asked
	if err := verify(again); err != nil {
		t.Errorf("the keys are not inherited: %v", err)
	}
	if err := verify(s.Issuer); !errors.Is(err, ErrAudience) {
		t.Errorf("the former one has the audiences of the next: %v", err)
	}
	doubted := s.known(t, nil, "next")
	doubted.Inherit(again)
	if err := verify(doubted); !errors.Is(err, ErrUnreachable) {
		t.Errorf("by other authorities: %v", err)
	}
	elsewhere := other.known(t, s.authorities(), "next")
	elsewhere.Inherit(again)
	if err := verify(elsewhere); !errors.Is(err, ErrSignature) {
		t.Errorf("another issuer's keys: %v", err)
	}
}

func TestNew(t *testing.T) {
	for _, url := range []string{"", "http://example.com", "https://", "https://u:p@example.com", "https://example.com?x", "https://example.com?", "https://example.com#x", "https://%zz", "https://example.com/" + strings.Repeat("x", maxName)} {
		if _, err := New(url, []string{"a"}, nil, time.Now); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
	for _, audiences := range [][]string{nil, {""}, {"a", ""}, {strings.Repeat("a", maxName+1)}} {
		if _, err := New("https://example.com", audiences, nil, time.Now); err == nil {
			t.Errorf("the audiences %q are taken", audiences)
		}
	}
	if i, err := New("https://example.com:8443/realms/corp", []string{"a"}, nil, time.Now); err != nil || i.URL() != "https://example.com:8443/realms/corp" {
		t.Errorf("got %+v, %v", i, err)
	}
}

// FuzzToken: no token brings us down, and none is taken whose signature is not the issuer's.
func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuY29tIn0.AAAA")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(`{"payload":"e30","signatures":[]}`)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	asked := time.Now().Add(time.Hour) // nobody is asked
	i := &Issuer{url: "https://example.com", audiences: []string{"a"}, now: time.Now, keys: &keySet{
		now: time.Now, keys: []publicKey{{"1", jose.ES256, key.Public()}}, got: asked, asked: asked,
	}}
	f.Fuzz(func(t *testing.T, token string) {
		if issuer, err := Of(token); err == nil && issuer == "" {
			t.Errorf("%q is of nobody", token)
		}
		if claims, err := i.Verify(t.Context(), token); err == nil {
			t.Errorf("%q is taken: %+v", token, claims)
		}
	})
}
