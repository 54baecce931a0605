package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
)

const (
	temporary = "ASIA" // what the ids of temporary access keys begin with (IAM User Guide, "Unique identifiers")
	// maxToken bounds what is opened for somebody who has proved nothing yet.
	maxToken = 8 << 10
	// tokenOwner is what session tokens are sealed under.
	tokenOwner = "session-token"
)

// Session is what temporary credentials stand for.
type Session struct {
	Account string `cbor:"1,keyasint"`
	// Behind is the long-lived access key that asked for the session, which ends with it.
	Behind string `cbor:"2,keyasint"`
	// Role is the name of the role that was assumed, and Name the session's; both are empty for a session of the key's own user.
	Role string `cbor:"3,keyasint,omitempty"`
	Name string `cbor:"4,keyasint,omitempty"`
	// Policy is the session policy; "" is none.
	Policy  string    `cbor:"5,keyasint,omitempty"`
	Created time.Time `cbor:"6,keyasint"`
	Expires time.Time `cbor:"7,keyasint"`
	// Web is who a role was assumed by, if it was by the token of an identity provider; Behind is empty then.
	Web *Web `cbor:"10,keyasint,omitempty"`
}

// Web is somebody whom an identity provider has vouched for.
type Web struct {
	Provider string `cbor:"1,keyasint"` // the ARN of the provider
	Subject  string `cbor:"2,keyasint"`
	Audience string `cbor:"3,keyasint"`
}

// Temporary are credentials that end. They print without the secret and the token.
type Temporary struct {
	Credentials
	SessionToken string
	Expires      time.Time
}

// token is what a session token holds, sealed. No server keeps it.
type token struct {
	Session
	AccessKeyID string `cbor:"8,keyasint"`
	Secret      string `cbor:"9,keyasint"`
}

// Begin makes credentials for a session. They work on every server that has the master key, also after a restart.
func (i *Issuer) Begin(s Session) (Temporary, error) {
	random := make([]byte, 10+30)
	_, _ = rand.Read(random) // never fails
	defer clear(random)
	fresh := Credentials{
		AccessKeyID:     temporary + base32.StdEncoding.EncodeToString(random[:10]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(random[10:]),
	}
	plain, err := cbor.Marshal(token{s, fresh.AccessKeyID, fresh.SecretAccessKey})
	if err != nil {
		return Temporary{}, err
	}
	defer clear(plain)
	return Temporary{fresh, base64.StdEncoding.EncodeToString(i.Sealer.Seal(plain, tokenOwner)), s.Expires}, nil
}

// open is what a session token of ours holds; ErrToken for any other, and for another access key's.
func (i *Issuer) open(accessKeyID, text string) (token, error) {
	var t token
	if len(text) > maxToken {
		return t, fmt.Errorf("%w: it has %d characters", ErrToken, len(text))
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return t, fmt.Errorf("%w: it is not base64", ErrToken)
	}
	plain, err := i.Sealer.Open(sealed, tokenOwner)
	if err != nil {
		return t, fmt.Errorf("%w: %w", ErrToken, err)
	}
	defer clear(plain)
	if err := cbor.Unmarshal(plain, &t); err != nil {
		return token{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if subtle.ConstantTimeCompare([]byte(t.AccessKeyID), []byte(accessKeyID)) != 1 {
		return token{}, ErrToken
	}
	return t, nil
}

// session is the secret and the principal of temporary credentials, as long as all that is behind them is there.
func (k *Keys) session(accessKeyID, text string) (string, Principal, error) {
	t, err := k.issuer.open(accessKeyID, text)
	if err != nil {
		return "", Principal{}, err
	}
	if !k.issuer.Now().Before(t.Expires) {
		return "", Principal{}, ErrExpired
	}
	if t.Web == nil {
		_, behind, err := k.long(t.Behind)
		if err != nil && !errors.Is(err, ErrAny) {
			return "", Principal{}, fmt.Errorf("the key behind the session: %w", err)
		}
		if behind.Account != t.Account {
			return "", Principal{}, fmt.Errorf("%w: the key behind the session is another account's", ErrUnknownKey)
		}
		if t.Role == "" {
			behind.AccessKeyID, behind.Session = accessKeyID, &t.Session
			return t.Secret, behind, nil
		}
	}
	if k.issuer.HasRole == nil || !k.issuer.HasRole(t.Account, t.Role) {
		return "", Principal{}, fmt.Errorf("%w: there is no role %s any more", ErrUnknownKey, t.Role)
	}
	p := AssumedRole(k.partition, &t.Session)
	p.AccessKeyID = accessKeyID
	return t.Secret, p, nil
}

// AssumedRole is who a session of a role is.
func AssumedRole(partition string, s *Session) Principal {
	return Principal{
		Type: "AssumedRole", Account: s.Account, ARN: "arn:" + partition + ":sts::" + s.Account + ":assumed-role/" + s.Role + "/" + s.Name,
		ID: RoleID(s.Account, s.Role) + ":" + s.Name, Session: s, RoleARN: RoleARN(partition, s.Account, s.Role),
	}
}

// RoleARN names a role.
func RoleARN(partition, account, role string) string {
	return "arn:" + partition + ":iam::" + account + ":role/" + role
}

// Federated is somebody who has nothing but an identity provider's word, as CloudTrail names them.
func Federated(account string, web *Web) Principal {
	return Principal{Type: "WebIdentityUser", Account: account, ID: web.Provider + ":" + web.Audience + ":" + web.Subject, UserName: web.Subject, Web: web}
}

// ProviderARN names an identity provider, by its URL.
func ProviderARN(partition, account, url string) string {
	return "arn:" + partition + ":iam::" + account + ":oidc-provider/" + strings.TrimPrefix(url, "https://")
}

// RoleID is a role's unique id, which follows from its name: a role that is made again has it again.
func RoleID(account, role string) string {
	sum := sha256.Sum256([]byte(account + "/" + role))
	return "AROA" + base32.StdEncoding.EncodeToString(sum[:10])
}

func isTemporary(accessKeyID string) bool { return strings.HasPrefix(accessKeyID, temporary) }
