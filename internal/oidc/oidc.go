// Package oidc checks the tokens of an OpenID Connect issuer: signed by a key that the issuer publishes, in time, and meant for
// us. It speaks to the issuer over TLS alone, follows no redirections, and bounds what it reads and how often it asks
// (OpenID Connect Core 1.0, section 3.1.3.7; OpenID Connect Discovery 1.0, section 4; RFC 7519).
package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// What a token may be refused for. Their causes are for the log.
var (
	// ErrMalformed means that it is no signed JSON Web Token, or one whose algorithm is not taken.
	ErrMalformed = errors.New("oidc: not a token")
	// ErrSignature means that none of the issuer's keys has signed it.
	ErrSignature = errors.New("oidc: the signature is wrong")
	// ErrAudience means that it is meant for somebody else.
	ErrAudience = errors.New("oidc: another audience")
	// ErrExpired means that its time is over.
	ErrExpired = errors.New("oidc: the token has expired")
	// ErrClaim means that the issuer has signed it, but it is of no use: not yet, or without a subject or an end.
	ErrClaim = errors.New("oidc: a claim is refused")
	// ErrUnreachable means that the issuer's keys could not be had.
	ErrUnreachable = errors.New("oidc: the issuer's keys can't be had")
)

const (
	// MaxToken is how many characters a token has at most (STS API reference, AssumeRoleWithWebIdentity).
	MaxToken = 20000
	// maxName is how long an issuer's URL, an audience and a subject may be (IAM API reference, CreateOpenIDConnectProvider; OpenID
	// Connect Core, section 2).
	maxName = 255
	// skew is how far the issuer's clock may be from ours, either way.
	skew = time.Minute
)

// algorithms are those that are taken. A token can't choose another one, such as "none" or one with a shared secret.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}

// Issuer is one issuer of tokens. It is safe for concurrent use.
type Issuer struct {
	url       string
	audiences []string
	now       func() time.Time
	keys      *keySet
}

// New knows an issuer by its URL, the audiences of which a token has to name one, and the authorities that its certificate may be
// of; nil is the system's.
func New(issuer string, audiences []string, authorities *x509.CertPool, now func() time.Time) (*Issuer, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return nil, err
	case len(issuer) > maxName:
		return nil, fmt.Errorf("an issuer's URL has at most %d characters", maxName)
	case u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%q is not an issuer: https://HOST, perhaps with a port and a path", issuer)
	case len(audiences) == 0:
		return nil, errors.New("an issuer needs the audiences that its tokens may be for")
	case slices.ContainsFunc(audiences, func(each string) bool { return each == "" || len(each) > maxName }):
		return nil, fmt.Errorf("an audience has 1 to %d characters", maxName)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities}
	transport.DisableKeepAlives = true // it is asked a few times an hour
	transport.MaxResponseHeaderBytes = maxHeader
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the issuer answers with a redirection")
	}}
	return &Issuer{url: issuer, audiences: audiences, now: now, keys: &keySet{issuer: issuer, authorities: authorities, client: client, now: now}}, nil
}

// Inherit shares the keys of a former issuer that has the same URL and the same authorities: what that one knows need not be asked for
// again, and both together ask no more often than one. It is for an issuer that nobody uses yet.
func (i *Issuer) Inherit(former *Issuer) {
	if i.url == former.url && i.keys.authorities.Equal(former.keys.authorities) {
		i.keys = former.keys
	}
}

// URL is the issuer's name, which is the claim iss of its tokens.
func (i *Issuer) URL() string { return i.url }

// Claims is what a token says.
type Claims struct {
	Subject  string
	Audience string // the one of the issuer's that it was taken for
	Expires  time.Time
	All      map[string]any
}

// Of is the issuer that a token says it is of. Nothing is proved by that. Its error wraps ErrMalformed.
func Of(token string) (string, error) {
	signed, err := parse(token)
	if err != nil {
		return "", err
	}
	var claims jwt.Claims
	if err := signed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return "", malformed(err)
	}
	if claims.Issuer == "" || len(claims.Issuer) > maxName {
		return "", fmt.Errorf("%w: it names no issuer", ErrMalformed)
	}
	return claims.Issuer, nil
}

// malformed keeps little of a text that may be the sender's own: it goes into logs.
func malformed(err error) error { return fmt.Errorf("%w: %.200s", ErrMalformed, err.Error()) }

func parse(token string) (*jwt.JSONWebToken, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("%w: it has %d characters", ErrMalformed, len(token))
	}
	signed, err := jwt.ParseSigned(token, algorithms)
	switch {
	case err != nil:
		return nil, malformed(err)
	case len(signed.Headers[0].KeyID) > maxName: // ParseSigned takes no more and no fewer headers than one
		return nil, fmt.Errorf("%w: a key's id has at most %d characters", ErrMalformed, maxName)
	}
	return signed, nil
}

// Verify checks a token. Its error wraps one of this package's. With ErrAudience, ErrExpired and ErrClaim the signature was right,
// and the claims are there.
func (i *Issuer) Verify(ctx context.Context, token string) (*Claims, error) {
	signed, err := parse(token)
	if err != nil {
		return nil, err
	}
	header := signed.Headers[0]
	key, err := i.keys.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	var known jwt.Claims
	claims := &Claims{}
	switch err := signed.Claims(key, &known, &claims.All); {
	case errors.Is(err, jose.ErrCryptoFailure):
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	case err != nil:
		return nil, malformed(err)
	}
	claims.Subject = known.Subject
	if at := slices.IndexFunc(known.Audience, func(each string) bool { return slices.Contains(i.audiences, each) }); at >= 0 {
		claims.Audience = known.Audience[at]
	}
	if known.Expiry != nil {
		claims.Expires = known.Expiry.Time()
	}
	err = known.ValidateWithLeeway(jwt.Expected{Issuer: i.url, Time: i.now()}, skew)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		err = ErrExpired
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrClaim, err)
	case known.Expiry == nil:
		err = fmt.Errorf("%w: it has no end", ErrClaim)
	case known.Subject == "" || len(known.Subject) > maxName:
		err = fmt.Errorf("%w: a subject has 1 to %d octets", ErrClaim, maxName)
	case claims.Audience == "":
		err = ErrAudience
	}
	return claims, err
}
