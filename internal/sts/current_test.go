package sts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"latchkey/internal/authz"
	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

// world is a service with a file of roles, and an identity provider.
type world struct {
	*Service
	provider *httptest.Server
	asked    atomic.Int32 // how often the provider was asked for its keys
	key      *ecdsa.PrivateKey
	path     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{path: filepath.Join(t.TempDir(), "roles.yaml")}
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.provider = httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		document := map[string]any{"issuer": w.provider.URL, "jwks_uri": w.provider.URL + "/keys"}
		if r.URL.Path == "/keys" {
			w.asked.Add(1)
			document = map[string]any{"keys": []jose.JSONWebKey{{KeyID: "e", Key: w.key.Public(), Use: "sig"}}}
		}
		_ = json.NewEncoder(out).Encode(document)
	}))
	t.Cleanup(w.provider.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.provider.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(filepath.Dir(w.path), "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Service = &Service{
		Issuer: &identity.Issuer{Sealer: plain{}, Partition: "aws", Now: time.Now}, Roles: &Current{}, Account: "123456789012",
		Grants: func(identity.Principal) (authz.Grant, error) { return authz.Grant{}, nil },
	}
	return w
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(plain []byte, _ string) []byte           { return plain }
func (plain) Open(sealed []byte, _ string) ([]byte, error) { return sealed, nil }

// read puts a file in force; URL in it is the provider's, and NAME what condition keys call it.
func (w *world) read(t *testing.T, text string) error {
	t.Helper()
	text = strings.NewReplacer("URL", w.provider.URL, "NAME", name(w.provider.URL)).Replace(text)
	if err := os.WriteFile(w.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w.Roles.Read(w.path, time.Now)
}

// trusting is a file of the provider, whose tokens have to be for an audience, and of a role that trusts one subject.
func trusting(audience, subject string) string {
	return "providers: [{url: 'URL', audiences: [" + audience + "], caFile: ca.pem}]\n" +
		"roles: [{name: deploy, federated: [{provider: 'URL', condition: {StringEquals: {'NAME:sub': " + subject + "}}}]}]\n"
}

// form is a call of AssumeRoleWithWebIdentity.
func (w *world) form(t *testing.T, audience, subject string) url.Values {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: w.key}, (&jose.SignerOptions{}).WithHeader("kid", "e"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any{"iss": w.provider.URL, "aud": audience, "sub": subject, "exp": time.Now().Add(time.Hour).Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{"RoleArn": {"arn:aws:iam::123456789012:role/deploy"}, "RoleSessionName": {"build"}, "WebIdentityToken": {token}}
}

// assume makes the call; what is done between its two halves is done there.
func (w *world) assume(t *testing.T, form url.Values, between func()) (code string) {
	t.Helper()
	who, err := w.Vouch(t.Context(), form)
	if err == nil {
		between()
		_, err = w.Do(&Call{Principal: who.Principal, Vouched: who, Action: AssumeRoleWithWebIdentity, Form: form, Time: time.Now(), Asked: authz.Request{
			Values: func(string) ([]string, error) { return nil, nil },
		}})
	}
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		return refused.Code
	}
	if err != nil {
		t.Error(err)
	}
	return ""
}

func nothing() {}

// TestCurrent: a file that is read takes the place of the former one, one with a mistake does not, and only the keys of a provider that
// stays are kept.
func TestCurrent(t *testing.T) {
	w := newWorld(t)
	form := w.form(t, "a", "jane")
	for i, step := range []struct {
		file, mistake, code string
		asked               int32 // for the provider's keys, until then
	}{
		{"", "", InvalidIdentityToken, 0},
		{trusting("a", "jane"), "", "", 1},
		{trusting("b", "jane"), "", InvalidIdentityToken, 1},
		{trusting("a, b", "joe"), "", AccessDenied, 1},
		{trusting("a", "jane"), "", "", 1},
		{trusting("a", "joe") + "more: 1\n", "roles.yaml:3: field more not found", "", 1},
		{"roles: []", "", InvalidIdentityToken, 1},
		{trusting("a", "jane"), "", "", 2},
	} {
		switch err := w.read(t, step.file); {
		case step.mistake == "" && err != nil:
			t.Fatal(err)
		case step.mistake != "" && (err == nil || !strings.Contains(err.Error(), step.mistake)):
			t.Errorf("%d: %v, want %s", i, err, step.mistake)
		}
		if code := w.assume(t, form, nothing); code != step.code || w.asked.Load() != step.asked {
			t.Errorf("%d: %q, and the keys were asked for %d times; want %q, %d", i, code, w.asked.Load(), step.code, step.asked)
		}
	}
	if err := w.Roles.Read("", time.Now); err != nil || len(w.Roles.Load().ByName) != 0 {
		t.Errorf("without a file: %v, %v", w.Roles.Load(), err)
	}
}

// TestReadMeanwhile: a call is decided by one file, whatever is read while it is made.
func TestReadMeanwhile(t *testing.T) {
	w := newWorld(t)
	read := func(audience, subject string) {
		t.Helper()
		if err := w.read(t, trusting(audience, subject)); err != nil {
			t.Fatal(err)
		}
	}
	read("a", "jane")
	if code := w.assume(t, w.form(t, "a", "jane"), func() { read("b", "joe") }); code != "" {
		t.Errorf("what was trusted when the call began: %s", code)
	}
	read("a", "jane")
	if code := w.assume(t, w.form(t, "a", "joe"), func() { read("b", "joe") }); code != AccessDenied {
		t.Errorf("a token that neither file trusts: %q", code)
	}

	// What a caller may is asked of the roles, too: here another file is read just then.
	const users = "roles: [{name: deploy, trusted: [ci]}]\n"
	if err := w.read(t, users); err != nil {
		t.Fatal(err)
	}
	w.Grants = func(identity.Principal) (authz.Grant, error) {
		return authz.Grant{}, w.read(t, "roles: []\n")
	}
	ci := identity.Principal{Type: "IAMUser", Account: w.Account, UserName: "ci"}
	_, err := w.Do(&Call{Principal: ci, Action: "AssumeRole", Form: w.form(t, "a", "jane"), Time: time.Now(), Asked: authz.Request{}})
	if refused, ok := errors.AsType[*fault.Error](err); !ok || refused.Code != AccessDenied {
		t.Errorf("a role that went meanwhile: %v", err)
	}

	// The same with many at once, for the race detector.
	forms := []url.Values{w.form(t, "a", "joe"), w.form(t, "b", "jane")}
	ended := make(chan struct{})
	var calling sync.WaitGroup
	for _, form := range forms {
		calling.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if code := w.assume(t, form, nothing); code == "" {
					t.Error("a token that neither file trusts is taken")
					return
				}
			}
		})
	}
	for range 100 {
		read("a", "jane")
		read("b", "joe")
	}
	close(ended)
	calling.Wait()
}
