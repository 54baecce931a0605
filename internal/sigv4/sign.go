package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"latchkey/internal/identity"
)

// Sign signs a request that is about to be sent with body, as AWS's SDKs do, for the service and region of the credential
// scope: it sets X-Amz-Date, X-Amz-Security-Token where there is a session token, and Authorization. The host, the
// content type and every X-Amz-* header are signed; they must not be changed any more.
func Sign(r *http.Request, body []byte, key identity.Credentials, sessionToken, service, region string, at time.Time) error {
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	at = at.UTC()
	r.Header.Set("X-Amz-Date", at.Format(stampForm))
	if sessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", sessionToken)
	}
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	c := claim{
		scope:         scope{accessKeyID: key.AccessKeyID, date: at.Format(stampForm[:8]), region: region, service: service},
		signedHeaders: signedHeaders(r.Header),
		stamp:         at.Format(stampForm),
		query:         query,
	}
	var payload [2 * sha256.Size]byte
	hash := sha256.Sum256(body)
	hex.Encode(payload[:], hash[:])
	derived := derive(key.SecretAccessKey, c.scope)
	var sum [sha256.Size]byte
	sign(derived[:], c.appendText(nil, r, payload[:], len(body)), &sum)
	r.Header.Set("Authorization", algorithm+" Credential="+strings.Join([]string{key.AccessKeyID, c.scope.date, region, service, terminator}, "/")+
		", SignedHeaders="+c.signedHeaders+", Signature="+hex.EncodeToString(sum[:]))
	return nil
}

// signedHeaders is the names of the headers to sign, as SignedHeaders lists them.
func signedHeaders(header http.Header) string {
	names := []string{"host"}
	for name := range maps.Keys(header) {
		if isAmz(name) || strings.EqualFold(name, "Content-Type") {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ";")
}
