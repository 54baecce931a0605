// Package radius asks whether a RADIUS server (RFC 2865) knows a shared secret.
package radius

import (
	"context"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // RADIUS is made of it
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

// ErrNoAnswer says that no answer came that the shared secret proves to be the server's: it does not run there, does not know
// this client, or has another secret.
var ErrNoAnswer = errors.New("the RADIUS server does not answer with this shared secret")

// Probe asks the server at HOST:PORT for access in the name of nobody, and is content with any answer that the secret proves.
// It asks again after each timeout, retries times.
func Probe(ctx context.Context, address string, secret []byte, timeout time.Duration, retries int) error {
	request, err := newRequest(secret)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout*time.Duration(retries+1))
	defer cancel()
	client := radius.Client{Retry: timeout, MaxPacketErrors: 10}
	for {
		_, err := client.Exchange(ctx, request, address)
		if err == nil {
			return nil
		}
		// A port that nobody listens on is refused at once: the server may be on its way.
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w", ErrNoAnswer, address, err)
		case <-time.After(timeout):
		}
	}
}

// newRequest carries a Message-Authenticator (RFC 2869 section 5.14), which newer servers demand.
func newRequest(secret []byte) (*radius.Packet, error) {
	request := radius.New(radius.CodeAccessRequest, secret)
	password := rand.Text()
	err := errors.Join(
		rfc2865.UserName_SetString(request, "latchkey-probe"), rfc2865.UserPassword_SetString(request, password),
		rfc2865.NASIdentifier_SetString(request, "latchkey"), rfc2869.MessageAuthenticator_Set(request, make([]byte, md5.Size)),
	)
	if err != nil {
		return nil, err
	}
	encoded, err := request.MarshalBinary()
	if err != nil {
		return nil, err
	}
	mac := hmac.New(md5.New, secret)
	mac.Write(encoded)
	return request, rfc2869.MessageAuthenticator_Set(request, mac.Sum(nil))
}
