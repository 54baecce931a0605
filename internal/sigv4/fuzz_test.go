package sigv4

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"latchkey/internal/fault"
)

// FuzzAuthorization: whatever the header says, the answer is a fault or a claim with all its parts.
func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20260609/us-east-1/ds/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20260609T120000Z")
	f.Add("AWS4-HMAC-SHA256", "")
	f.Add("AWS4-X Credential=////,Signature=,SignedHeaders=;", "Tue, 09 Jun 2026 12:00:00 GMT")
	f.Add("AWS4- ,,=,", "201")
	f.Fuzz(func(t *testing.T, authorization, date string) {
		var c claim
		err := c.readHeader(http.Header{"X-Amz-Date": {date}}, authorization)
		var refused *fault.Error
		if err != nil {
			if !errors.As(err, &refused) {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		if c.signature == "" || c.signedHeaders == "" || len(c.stamp) != len(stampForm) || c.time.IsZero() && date == "" {
			t.Fatalf("%q gave %+v", authorization, c)
		}
	})
}

// FuzzRequest: nothing that was not signed with the secret is accepted, and nothing panics.
func FuzzRequest(f *testing.F) {
	f.Add("/", "", "localhost", "AWS4-HMAC-SHA256 Credential="+keyID+"/20260609/us-east-1/ds/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature="+
		strings.Repeat("0", 64), "20260609T120000Z", "DirectoryService_20150416.DescribeTrusts", "{}")
	f.Add("/Users/ListUsers", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+keyID+"%2F20260609%2Fus-east-1%2Fds-data%2Faws4_request"+
		"&X-Amz-Date=20260609T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="+strings.Repeat("0", 64), "h", "", "", "", "")
	f.Fuzz(func(t *testing.T, path, query, host, authorization, date, target, body string) {
		r := &http.Request{Method: "POST", URL: &url.URL{Path: path, RawQuery: query}, Host: host, Header: http.Header{}}
		for name, value := range map[string]string{"Authorization": authorization, "X-Amz-Date": date, "X-Amz-Target": target} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		_, err := verifier(noon).Verify(context.Background(), r, []byte(body))
		var refused *fault.Error
		if !errors.As(err, &refused) || refused.Code == "" {
			t.Fatalf("got %v", err)
		}
	})
}
