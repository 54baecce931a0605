package sigv4

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"latchkey/internal/fault"
)

// swap changes the Authorization header, and set replaces a header.
func swap(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		before := r.Header.Get("Authorization")
		after := strings.Replace(before, from, to, 1)
		if before == after {
			panic(from + " is not in " + before)
		}
		r.Header.Set("Authorization", after)
	}
}

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestTexts(t *testing.T) {
	const incomplete, invalid = fault.IncompleteSignature, fault.InvalidSignature
	body := []byte("{}")
	for _, c := range []struct {
		name    string
		change  func(*http.Request)
		code    string
		message string
	}{
		{"nothing", func(r *http.Request) { r.Header.Del("Authorization") }, fault.MissingAuthenticationToken, "Request is missing Authentication Token"},
		{"basic", set("Authorization", "Basic YTpi"), fault.MissingAuthenticationToken, "Request is missing Authentication Token"},
		{"bare", func(r *http.Request) {
			r.Header = http.Header{"Authorization": {"AWS4-HMAC-SHA256"}}
		}, incomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
			"Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' " +
			"or a 'Date' header. Authorization=AWS4-HMAC-SHA256"},
		{
			"no signature", set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host"), incomplete,
			"Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host",
		},
		{
			"no equal sign", set("Authorization", "AWS4-HMAC-SHA256 Credential"), incomplete,
			"'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 Credential'.",
		},
		{
			"date", set("X-Amz-Date", "201"), incomplete,
			"Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601",
		},
		{
			"algorithm", swap("SHA256 ", "SHA25 "), incomplete,
			"Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). ",
		},
		{
			"credential", swap(keyID+"/20260609/us-east-1/ds/aws4_request", "a/b/c/d"), incomplete,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d'",
		},
		{
			"six elements", swap(keyID+"/20260609/us-east-1/ds/aws4_request", "a/b/c/d/e/f"), incomplete,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d/e/f'",
		},
		{
			"early", set("X-Amz-Date", "20260609T115459Z"), invalid,
			"Signature expired: 20260609T115459Z is now earlier than 20260609T115500Z (20260609T120000Z - 5 min.)",
		},
		{
			"late", set("X-Amz-Date", "20260609T120501Z"), invalid,
			"Signature not yet current: 20260609T120501Z is still later than 20260609T120500Z (20260609T120000Z + 5 min.)",
		},
		{"host", swap(";host;", ";hosts;"), invalid, "'Host' must be a 'SignedHeader' in the AWS Authorization."},
		{"target", swap(";x-amz-target", ""), invalid, "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."},
		{
			"scope", swap(keyID+"/20260609/us-east-1/ds/aws4_request", "a/b/c/d/e"), invalid,
			"Credential should be scoped to a valid region, not 'c'. Credential should be scoped to correct service: 'ds'. " +
				"Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. Date in Credential scope does not match " +
				"YYYYMMDD from ISO-8601 version of date from HTTP: 'b' != '20260609', from '20260609T120000Z'.",
		},
		{"other service", swap("/ds/", "/ds-data/"), invalid, "Credential should be scoped to correct service: 'ds'."},
		{"unknown key", swap(keyID, "AKIANOBODY"), fault.UnrecognizedClient, "The security token included in the request is invalid."},
		{"token", swap(keyID, tokenKeyID), fault.UnrecognizedClient, "The security token included in the request is invalid"},
		{"expired", swap(keyID, "AKIAEXPIRED"), fault.ExpiredToken, "The security token included in the request is expired"},
		{"our failure", swap(keyID, "AKIABROKEN"), fault.Service, fault.From(errors.New("")).Message},
		{"wrong", swap("us-east-1", "us-east-2"), invalid, mismatchText},
		{"unsigned payload", set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), invalid, "'X-Amz-Content-Sha256' must be a 'SignedHeader' in the AWS Authorization."},
		{"order", swap("SignedHeaders=content-length;content-type;", "SignedHeaders=content-type;content-length;"), invalid, mismatchText},
		{"upper case", swap("SignedHeaders=content-length", "SignedHeaders=Content-length"), invalid, mismatchText},
		{
			"both forms", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, invalid,
			"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
		},
		{"bad query", func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, invalid, mismatchText},
		{"semicolon", func(r *http.Request) { r.URL.RawQuery = "a;b" }, invalid, mismatchText},
		{"long header", set("Authorization", "AWS4-"+strings.Repeat("x", 1<<20)), incomplete, "Authorization header is longer than 4096 bytes."},
		{"long query", func(r *http.Request) { r.URL.RawQuery = strings.Repeat("a&", 1<<20) }, incomplete, "The query string is longer than 32768 bytes."},
		{"twice", func(r *http.Request) { r.Header.Add("X-Amz-Target", "b") }, incomplete, "Request has more than one 'X-Amz-Target' header."},
		{"empty query presign", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260609T120000Z"
		}, incomplete, "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. " +
			"AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."},
	} {
		r := signed(t, body, nil)
		c.change(r)
		_, refused := verify(verifier(noon), r, body)
		expect(t, c.name, refused, c.code, c.message)
	}
	for _, sent := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", hash([]byte("other"))} {
		r := signed(t, body, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sent) })
		_, refused := verify(verifier(noon), r, body)
		expect(t, sent, refused, invalid, mismatchText)
	}
}
