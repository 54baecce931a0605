package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/store"
)

// plainSealer marks instead of hiding: what is tested is who may use a token, not the sealing.
type plainSealer struct{ key byte }

func (s plainSealer) Seal(plain []byte, owner string) []byte {
	return slices.Concat([]byte{s.key}, []byte(owner), plain)
}

func (s plainSealer) Open(sealed []byte, owner string) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, slices.Concat([]byte{s.key}, []byte(owner)))
	if !ok {
		return nil, errors.New("it does not open")
	}
	return slices.Clone(plain), nil
}

func TestSession(t *testing.T) {
	const account = "123456789012"
	root := Credentials{"AKIAROOTROOTROOTROOT", "a-secret-of-the-root"}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sealer := plainSealer{1}
	issuer := &Issuer{Sealer: sealer, Partition: "aws", Now: func() time.Time { return now }}
	// The records are not needed: the root's key is the one behind.
	keys := &Keys{partition: "aws", account: account, root: root, rootHash: NewKeys("aws", account, root, nil).rootHash, issuer: issuer}
	issuer.Records = &store.AccessKeys{}
	s := Session{Account: account, Behind: root.AccessKeyID, Created: now, Expires: now.Add(time.Hour)}
	made, err := issuer.Begin(s)
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(id, token string) error {
		_, _, err := keys.Lookup(t.Context(), id, token)
		return err
	}
	secret, p, err := keys.Lookup(t.Context(), made.AccessKeyID, made.SessionToken)
	if err != nil || secret != made.SecretAccessKey || p.Type != "Root" || p.AccessKeyID != made.AccessKeyID || p.Session == nil {
		t.Errorf("got %+v, %v", p, err)
	}
	other, err := issuer.Begin(s)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := (&Issuer{Sealer: plainSealer{2}}).Begin(s)
	if err != nil {
		t.Fatal(err)
	}
	stray := s
	stray.Behind = "AKIANOBODYNOBODYNOBO"
	behindNone, err := issuer.Begin(stray)
	if err != nil {
		t.Fatal(err)
	}
	role := s
	role.Role, role.Name = "reader", "build"
	ofRole, err := issuer.Begin(role)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id, token string
		want      error
	}{
		"no token":            {made.AccessKeyID, "", ErrUnknownKey},
		"another's token":     {made.AccessKeyID, other.SessionToken, ErrToken},
		"not base64":          {made.AccessKeyID, "?", ErrToken},
		"not a token":         {made.AccessKeyID, base64.StdEncoding.EncodeToString(sealer.Seal([]byte("?"), tokenOwner)), ErrToken},
		"too long":            {made.AccessKeyID, string(bytes.Repeat([]byte("A"), maxToken+4)), ErrToken},
		"another master key":  {foreign.AccessKeyID, foreign.SessionToken, ErrToken},
		"with the root's key": {root.AccessKeyID, made.SessionToken, ErrToken},
		"no key behind it":    {behindNone.AccessKeyID, behindNone.SessionToken, ErrUnknownKey},
		"no such role":        {ofRole.AccessKeyID, ofRole.SessionToken, ErrUnknownKey},
	} {
		if err := lookup(c.id, c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	issuer.HasRole = func(account, name string) bool { return account == s.Account && name == "reader" }
	if _, p, err := keys.Lookup(t.Context(), ofRole.AccessKeyID, ofRole.SessionToken); err != nil || p.ARN != "arn:aws:sts::123456789012:assumed-role/reader/build" || p.Type != "AssumedRole" {
		t.Errorf("got %+v, %v", p, err)
	}
	now = s.Expires.Add(-time.Second)
	if err := lookup(made.AccessKeyID, made.SessionToken); err != nil {
		t.Errorf("in its last second: %v", err)
	}
	now = s.Expires
	if err := lookup(made.AccessKeyID, made.SessionToken); !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v", err)
	}
}

// TestWebSession: nothing is behind a session by a provider's token but the role, and the largest one fits into a token.
func TestWebSession(t *testing.T) {
	const account = "123456789012"
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	issuer := &Issuer{Sealer: plainSealer{1}, Partition: "aws", Now: func() time.Time { return now }}
	keys := NewKeys("aws", account, Credentials{"AKIAROOTROOTROOTROOT", "a-secret-of-the-root"}, issuer)
	long := strings.Repeat("x", 255)
	made, err := issuer.Begin(Session{
		Account: account, Role: long[:64], Name: long[:64], Policy: strings.Repeat("ÿ", 2048), Created: now, Expires: now.Add(time.Hour),
		Web: &Web{ProviderARN("aws", account, "https://"+long), long, long},
	})
	if err != nil || len(made.SessionToken) > maxToken {
		t.Fatalf("a token of %d characters, %v", len(made.SessionToken), err)
	}
	if _, _, err := keys.Lookup(t.Context(), made.AccessKeyID, made.SessionToken); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("without the role: %v", err)
	}
	issuer.HasRole = func(account, name string) bool { return name == long[:64] }
	_, p, err := keys.Lookup(t.Context(), made.AccessKeyID, made.SessionToken)
	if err != nil || p.Type != "AssumedRole" || p.Session.Web.Subject != long || p.Source() != "arn:aws:iam::123456789012:oidc-provider/"+long+" "+long {
		t.Errorf("got %+v, %v", p, err)
	}
	now = now.Add(time.Hour)
	if _, _, err := keys.Lookup(t.Context(), made.AccessKeyID, made.SessionToken); !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v", err)
	}
}
