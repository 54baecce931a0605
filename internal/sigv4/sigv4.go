// Package sigv4 answers one question: does this signature prove this access key? It reads AWS Signature Version 4 in the
// Authorization header and in the query string (presigned), and nothing else: no SigV4A, no chunked payloads. For our own
// client it also signs, in the Authorization header.
//
// See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
	"time"

	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	stampForm  = "20060102T150405Z"

	// Skew is how far a client's clock may be from ours, either way. AWS answers with 5 or with 15 minutes, depending on
	// the service; 5 is what its documentation says.
	Skew = 5 * time.Minute
	// MaxExpires is the longest life of a presigned request.
	MaxExpires = 7 * 24 * time.Hour
)

// Options is what a Verifier needs. Every field is required.
type Options struct {
	// Service is the name that the credential scope of this request must have: "ds" or "ds-data".
	Service func(*http.Request) string
	// Lookup finds the secret of an access key. sessionToken is "" when the request has none. It may answer the errors of
	// package identity, wrapped or not; any other one is a failure of ours and becomes a ServiceException.
	Lookup func(ctx context.Context, accessKeyID, sessionToken string) (secret string, principal identity.Principal, err error)
	Now    func() time.Time
}

// Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	options Options
	keys    keyCache
	buffers sync.Pool
}

// Result is what a signature proves, and what it was scoped to.
type Result struct {
	Principal   identity.Principal
	AccessKeyID string
	Region      string
	Service     string
	Time        time.Time // when the client says that it signed, to the second
}

// New makes a Verifier.
func New(options Options) *Verifier {
	return &Verifier{
		options: options,
		keys:    keyCache{byScope: make(map[scope]signingKey)},
		buffers: sync.Pool{New: func() any {
			buffer := make([]byte, 0, 2048)
			return &buffer
		}},
	}
}

// Verify checks the signature of a request whose whole, unchanged body is body. The error is a *fault.Error with AWS's
// code and text; its cause says more, for the log. r.Body is not read. When Lookup answers identity.ErrAny, the request
// has to be well-formed, in time and rightly scoped, but the signature itself is not compared.
//
// The host and every X-Amz-* header have to be signed, as the specification demands: X-Amz-Target chooses the operation,
// so that a request without it under the signature could be turned into another one. All of AWS's SDKs and its CLI sign
// it, and so does curl --aws-sigv4 since 7.86; earlier ones sign only the host, the date and the content type, and are
// refused. Headers of other names may be signed or not.
func (v *Verifier) Verify(ctx context.Context, r *http.Request, body []byte) (Result, error) {
	c, err := readClaim(r)
	if err != nil {
		return Result{}, err
	}
	if err := c.checkTime(v.options.Now()); err != nil {
		return Result{}, err
	}
	if err := c.checkSignedHeaders(r); err != nil {
		return Result{}, err
	}
	if err := c.checkScope(v.options.Service(r)); err != nil {
		return Result{}, err
	}

	secret, principal, err := v.options.Lookup(ctx, c.scope.accessKeyID, c.token)
	anyKey := errors.Is(err, identity.ErrAny)
	if err != nil && !anyKey {
		return Result{}, refuseKey(err)
	}
	payload, err := c.payloadHash(r, body)
	if err != nil {
		return Result{}, err
	}
	if !anyKey {
		if err := v.compare(&c, r, secret, payload[:], len(body)); err != nil {
			return Result{}, err
		}
	}
	return Result{
		Principal:   principal,
		AccessKeyID: c.scope.accessKeyID,
		Region:      c.scope.region,
		Service:     c.scope.service,
		Time:        c.time,
	}, nil
}

// refuseKey turns what Lookup answered into AWS's exception. The two texts about a wrong token differ by a full stop.
func refuseKey(err error) error {
	switch {
	case errors.Is(err, identity.ErrUnknownKey):
		return fault.New(fault.UnrecognizedClient, "The security token included in the request is invalid.").Because(err)
	case errors.Is(err, identity.ErrToken):
		return fault.New(fault.UnrecognizedClient, "The security token included in the request is invalid").Because(err)
	case errors.Is(err, identity.ErrExpired):
		return fault.New(fault.ExpiredToken, "The security token included in the request is expired").Because(err)
	}
	return fault.From(err)
}

// mismatch is the answer to a signature that proves nothing. why is for the log: it would help an attacker.
func mismatch(why string) error {
	return fault.New(fault.InvalidSignature, "The request signature we calculated does not match the signature you provided. "+
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.").Because(errors.New(why))
}

// compare computes the signature and holds it against the one sent.
func (v *Verifier) compare(c *claim, r *http.Request, secret string, payload []byte, size int) error {
	buffer := v.buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= 64<<10 {
			v.buffers.Put(buffer)
		}
	}()
	text := c.appendText((*buffer)[:0], r, payload, size)
	key, cached := v.keys.find(c.scope, secret)
	if !cached {
		key = derive(secret, c.scope)
	}
	var sum [sha256.Size]byte
	sign(key[:], text, &sum)
	// The text is compared, not the bytes it stands for, so that there is only one way to write a signature.
	*buffer = hex.AppendEncode(text[:0], sum[:])
	if subtle.ConstantTimeCompare(*buffer, []byte(c.signature)) != 1 {
		return mismatch("the signature is wrong: a wrong secret, or a request that was changed on its way")
	}
	if !cached {
		v.keys.keep(c.scope, secret, key)
	}
	return nil
}
