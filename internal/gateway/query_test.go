package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"latchkey/internal/identity"
	"latchkey/internal/sigv4"
	"latchkey/internal/sts"
)

// TestQueryRefusals is about what no client of AWS sends, and about failures that only a test inside the process can bring about.
func TestQueryRefusals(t *testing.T) {
	const identify = "Action=GetCallerIdentity&Version=2011-06-15"
	for name, c := range map[string]struct {
		form   string
		lookup error
		status int
		code   string
	}{
		"expired":        {identify, identity.ErrExpired, http.StatusForbidden, "ExpiredToken"},
		"not its token":  {identify, identity.ErrToken, http.StatusForbidden, "InvalidClientTokenId"},
		"a failure":      {identify, errors.New("of the disk"), http.StatusInternalServerError, "InternalFailure"},
		"no action":      {"Version=2011-06-15", nil, http.StatusBadRequest, "MissingAction"},
		"other version":  {"Action=GetCallerIdentity&Version=2010-01-01", nil, http.StatusBadRequest, "InvalidAction"},
		"not a form":     {"Action=%zz", nil, http.StatusBadRequest, "MalformedInput"},
		"twice":          {identify + "&Action=AssumeRole", nil, http.StatusBadRequest, "MalformedInput"},
		"too large":      {identify + "&X=" + strings.Repeat("x", maxForm), nil, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge"},
		"not an integer": {"Action=GetSessionToken&Version=2011-06-15&DurationSeconds=1h", identity.ErrAny, http.StatusBadRequest, "MalformedInput"},
		"too short":      {"Action=GetSessionToken&Version=2011-06-15&DurationSeconds=899", identity.ErrAny, http.StatusBadRequest, "ValidationError"},
		"too long":       {"Action=GetSessionToken&Version=2011-06-15&DurationSeconds=129601", identity.ErrAny, http.StatusBadRequest, "ValidationError"},
		"root's role":    {"Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/reader&RoleSessionName=me", identity.ErrAny, http.StatusForbidden, "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			f.gateway.STS = &sts.Service{}
			f.gateway.Verifier = sigv4.New(sigv4.Options{
				Service: Signing, Now: time.Now,
				Lookup: func(context.Context, string, string) (string, identity.Principal, error) {
					return "", identity.Root("aws", "123456789012", "AKIAIOSFODNN7EXAMPLE"), c.lookup
				},
			})
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.form))
			stamp := time.Now().UTC().Format("20060102T150405Z")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			r.Header.Set("X-Amz-Date", stamp)
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"+stamp[:8]+"/us-east-1/sts/aws4_request, "+
				"SignedHeaders=content-type;host;x-amz-date, Signature="+strings.Repeat("0", 64))
			w := f.serve(r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), "<Code>"+c.code+"</Code>") {
				t.Errorf("got %d, %s; want %d, %s", w.Code, w.Body, c.status, c.code)
			}
		})
	}
}
