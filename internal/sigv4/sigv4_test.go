package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

const (
	keyID      = "AKIAIOSFODNN7EXAMPLE"
	secretKey  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	tokenKeyID = "ASIAIOSFODNN7EXAMPLE"
	token      = "FwoGZXIvYXdzEBYaD+/=token"
)

var noon = time.Date(2026, 6, 9, 12, 0, 0, 0, time.UTC)

func lookup(_ context.Context, id, sessionToken string) (string, identity.Principal, error) {
	switch {
	case id == keyID && sessionToken == "", id == tokenKeyID && sessionToken == token:
		return secretKey, identity.Root("aws", "123456789012", id), nil
	case id == keyID, id == tokenKeyID:
		return "", identity.Principal{}, identity.ErrToken
	case id == "AKIAEXPIRED":
		return "", identity.Principal{}, identity.ErrExpired
	case id == "AKIABROKEN":
		return "", identity.Principal{}, errors.New("the store is away")
	}
	return "", identity.Principal{}, identity.ErrUnknownKey
}

func service(r *http.Request) string {
	if r.Header.Get("X-Amz-Target") == "" {
		return "ds-data"
	}
	return "ds"
}

func verifier(at time.Time) *Verifier {
	return New(Options{Service: service, Lookup: lookup, Now: func() time.Time { return at }})
}

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func request(t testing.TB, method, target string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = r.URL.Host
	return r
}

// signed is a call as the Go SDK signs it.
func signed(t testing.TB, body []byte, change func(*http.Request)) *http.Request {
	t.Helper()
	r := request(t, "POST", "https://ds.us-east-1.amazonaws.com/", body)
	r.Header.Set("X-Amz-Target", "DirectoryService_20150416.DescribeDirectories")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("User-Agent", "aws-sdk-go-v2/1.41")
	if change != nil {
		change(r)
	}
	sign4(t, r, body, aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secretKey}, "ds", "us-east-1", noon)
	return r
}

func sign4(t testing.TB, r *http.Request, body []byte, who aws.Credentials, service, region string, at time.Time) {
	t.Helper()
	if err := signer.NewSigner().SignHTTP(t.Context(), who, r, hash(body), service, region, at); err != nil {
		t.Fatal(err)
	}
}

func verify(v *Verifier, r *http.Request, body []byte) (Result, *fault.Error) {
	result, err := v.Verify(context.Background(), r, body)
	if err == nil {
		return result, nil
	}
	var refused *fault.Error
	if !errors.As(err, &refused) {
		panic(fmt.Sprintf("not a fault: %v", err))
	}
	return result, refused
}

func expect(t *testing.T, what string, got *fault.Error, code, message string) {
	t.Helper()
	switch {
	case got == nil:
		t.Errorf("%s was accepted", what)
	case got.Code != code || got.Message != message:
		t.Errorf("%s: got %s\n%q, want %s\n%q", what, got.Code, got.Message, code, message)
	}
}

const mismatchText = "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

func TestSDKIsAccepted(t *testing.T) {
	body := []byte(`{"Limit":10}`)
	got, refused := verify(verifier(noon), signed(t, body, nil), body)
	if refused != nil {
		t.Fatal(refused)
	}
	want := Result{identity.Root("aws", "123456789012", keyID), keyID, "us-east-1", "ds", noon}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestCurlIsAccepted replays what curl 7.88.1 --aws-sigv4 sends. Its key and secret are AKIAEXAMPLE and secret.
func TestCurlIsAccepted(t *testing.T) {
	r := request(t, "POST", "http://127.0.0.1:18999/", nil)
	r.Header = http.Header{
		"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261123/us-east-1/ds/aws4_request, " +
			"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=deda45055c1bc11306243b7c88eeaf5578ab3b83d1f14c8d9a80ba4c207740a7"},
		"X-Amz-Date":     {"20261123T140436Z"},
		"User-Agent":     {"curl/7.88.1"},
		"Accept":         {"*/*"},
		"X-Amz-Target":   {"DirectoryService_20150416.DescribeDirectories"},
		"Content-Type":   {"application/x-amz-json-1.1"},
		"Content-Length": {"2"},
	}
	v := New(Options{
		Service: service,
		Now:     func() time.Time { return time.Date(2026, 11, 23, 14, 4, 36, 0, time.UTC) },
		Lookup: func(context.Context, string, string) (string, identity.Principal, error) {
			return "secret", identity.Principal{}, nil
		},
	})
	if _, refused := verify(v, r, []byte("{}")); refused != nil {
		t.Error(refused)
	}
}

func randomText(random *rand.Rand, alphabet string, most int) string {
	text := make([]byte, random.IntN(most+1))
	for i := range text {
		text[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(text)
}

// randomCall makes a request that a client of the SDK might, and signs it in one of the two forms.
func randomCall(t *testing.T, random *rand.Rand, presign bool) (*http.Request, []byte) {
	const plain = "abcXYZ019-_.~"
	query := url.Values{}
	for range random.IntN(4) {
		query.Add("p"+randomText(random, plain+" +/=&é%\"*", 5), randomText(random, plain+" +/=&?%é;:@", 12))
	}
	path := "/" + randomText(random, plain+"/", 10)
	target := "http://localhost:" + fmt.Sprint(1024+random.IntN(60000)) + strings.ReplaceAll(path, "//", "/x/")
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	body := []byte(randomText(random, plain+"{}\":\x00\xff", 200))
	r := request(t, "POST", target, body)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	service, regions := "ds-data", []string{"us-east-1", "eu-central-2", "us-gov-west-1", "cn-north-1"}
	if random.IntN(2) == 0 && !presign {
		service = "ds"
		r.Header.Set("X-Amz-Target", "DirectoryService_20150416."+randomText(random, plain, 20)+"x")
	}
	if random.IntN(3) == 0 && !presign {
		r.Header.Set("X-Custom", "  a   b "+randomText(random, plain+"  ,;", 20)+"  ")
		r.Header.Set("X-Amz-Content-Sha256", hash(body))
	}
	who := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secretKey}
	if random.IntN(2) == 0 {
		who.AccessKeyID, who.SessionToken = tokenKeyID, token
	}
	region := regions[random.IntN(len(regions))]
	at := noon.Add(time.Duration(random.IntN(590)-295) * time.Second)
	if !presign {
		sign4(t, r, body, who, service, region, at)
		return r, body
	}
	values := r.URL.Query()
	values.Set("X-Amz-Expires", fmt.Sprint(300+random.IntN(10000)))
	r.URL.RawQuery = values.Encode()
	link, header, err := signer.NewSigner().PresignHTTP(t.Context(), who, r, hash(body), service, region, at)
	if err != nil {
		t.Fatal(err)
	}
	presigned := request(t, "POST", link, body)
	for name, values := range header {
		if name != "Host" {
			presigned.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return presigned, body
}

func copyOf(r *http.Request) *http.Request { return r.Clone(context.Background()) }

func flip(random *rand.Rand, text string) string {
	changed := []byte(text)
	changed[random.IntN(len(changed))] ^= 1 << random.IntN(7)
	return string(changed)
}

// TestProperty signs random requests with the SDK: each is accepted as it is, and refused with any one thing changed.
func TestProperty(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	v := verifier(noon)
	for i := range 3000 {
		presign := i%3 == 0
		r, body := randomCall(t, random, presign)
		if _, refused := verify(v, r, body); refused != nil {
			t.Fatalf("call %d (%s): %v\n%v", i, r.URL, refused, r.Header)
		}
		tampered, tamperedBody, what := copyOf(r), bytes.Clone(body), ""
		switch random.IntN(7) {
		case 0:
			what, tamperedBody = "a byte more", append(tamperedBody, ' ')
		case 1:
			what, tampered.Host = "host", tampered.Host+"0"
		case 2:
			what, tampered.Method = "method", "PUT"
		case 3:
			what, tampered.URL.Path, tampered.URL.RawPath = "path", tampered.URL.Path+"x", ""
		case 4:
			what, tampered.URL.RawQuery = "query", tampered.URL.RawQuery+"&a=b"
		case 5:
			if what = "body"; len(tamperedBody) == 0 {
				continue
			}
			tamperedBody[random.IntN(len(tamperedBody))] ^= 1 << random.IntN(8)
		case 6:
			what = "unsigned header"
			tampered.Header.Set("X-Amz-Target-Extra", "1")
		}
		if _, refused := verify(v, tampered, tamperedBody); refused == nil {
			t.Fatalf("call %d (%s): accepted after tampering with the %s", i, r.URL, what)
		}
		if presign {
			continue
		}
		for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Target", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "Content-Type"} {
			if value := r.Header.Get(name); value != "" {
				tampered := copyOf(r)
				// A server of net/http trims what it receives, so that a change of the last byte to a space never arrives.
				changed := flip(random, value)
				if strings.TrimSpace(changed) != changed {
					continue
				}
				tampered.Header.Set(name, changed)
				if _, refused := verify(v, tampered, body); refused == nil {
					t.Fatalf("call %d: accepted with %s %q in place of %q", i, name, changed, value)
				}
				tampered.Header.Del(name)
				if _, refused := verify(v, tampered, body); refused == nil && name != "X-Amz-Content-Sha256" {
					t.Fatalf("call %d: accepted without %s", i, name)
				}
				tampered.Header[name] = []string{value, value}
				if _, refused := verify(v, tampered, body); refused == nil {
					t.Fatalf("call %d: accepted with %s twice", i, name)
				}
			}
		}
	}
}

// TestEveryBitOfTheSignature includes the case of the hexadecimal digits: there is one way to write a signature.
func TestEveryBitOfTheSignature(t *testing.T) {
	body := []byte("{}")
	r := signed(t, body, nil)
	v := verifier(noon)
	authorization := r.Header.Get("Authorization")
	for i := range len(authorization) {
		for bit := range 7 {
			changed := []byte(authorization)
			changed[i] ^= 1 << bit
			r.Header.Set("Authorization", string(changed))
			if _, refused := verify(v, r, body); refused == nil {
				t.Errorf("accepted %q", changed)
			}
		}
	}
}

func TestClock(t *testing.T) {
	body := []byte("{}")
	for offset, ok := range map[time.Duration]bool{
		-Skew: true, -Skew - time.Second: false, -Skew - time.Millisecond: false, Skew: true, Skew + time.Second: false,
		// The client's date has no fractions: ours must not cost it the last second.
		Skew + 999*time.Millisecond: true,
	} {
		_, refused := verify(verifier(noon.Add(offset)), signed(t, body, nil), body)
		if (refused == nil) != ok {
			t.Errorf("our clock %v ahead: got %v", offset, refused)
		}
	}
}

func TestDateHeader(t *testing.T) {
	body := []byte("{}")
	r := signed(t, body, nil)
	r.Header.Del("X-Amz-Date")
	r.Header.Set("Date", noon.Format(http.TimeFormat))
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "x-amz-date;", "", 1))
	_, refused := verify(verifier(noon), r, body)
	expect(t, "a signature over another header", refused, fault.InvalidSignature, mismatchText)
	r.Header.Set("Date", "Tue, 09 Jun 2026 11:00:00 GMT")
	_, refused = verify(verifier(noon), r, body)
	expect(t, "an old Date", refused, fault.InvalidSignature,
		"Signature expired: 20260609T110000Z is now earlier than 20260609T115500Z (20260609T120000Z - 5 min.)")
}

func TestPresignedLife(t *testing.T) {
	link := func(expires string) *http.Request {
		r := request(t, "POST", "http://localhost:8080/Users/ListUsers?DirectoryId=d-1234567890&X-Amz-Expires="+expires, nil)
		signedURL, _, err := signer.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secretKey},
			r, hash(nil), "ds-data", "us-east-1", noon)
		if err != nil {
			t.Fatal(err)
		}
		return request(t, "POST", signedURL, nil)
	}
	for _, life := range []struct {
		expires string
		after   time.Duration
		ok      bool
	}{
		{"60", 60 * time.Second, true},
		{"60", 61 * time.Second, false},
		{"60", -Skew, true},
		{"60", -Skew - time.Second, false},
		{"604800", MaxExpires, true},
		{"604801", 0, false},
		{"0", 0, false},
		{"-1", 0, false},
		{"1e3", 0, false},
		{"99999999999999999999", 0, false},
		{"", Skew, true},
		{"", Skew + time.Second, false},
	} {
		_, refused := verify(verifier(noon.Add(life.after)), link(life.expires), nil)
		if (refused == nil) != life.ok {
			t.Errorf("X-Amz-Expires=%s after %v: got %v", life.expires, life.after, refused)
		}
	}
	twice := link("60")
	twice.URL.RawQuery += "&X-Amz-Expires=600000"
	_, refused := verify(verifier(noon), twice, nil)
	expect(t, "a second X-Amz-Expires", refused, fault.IncompleteSignature, "AWS query-string parameters must not include 'X-Amz-Expires' twice.")
}

func TestAnyKey(t *testing.T) {
	v := New(Options{Service: service, Now: func() time.Time { return noon }, Lookup: identity.NewAnyKeys("aws", "000000000000", nil).Lookup})
	body := []byte("{}")
	r := signed(t, body, nil)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), keyID, "test", 1))
	got, refused := verify(v, r, body)
	if refused != nil || got.Region != "us-east-1" || got.Principal.AccessKeyID != "test" {
		t.Errorf("got %+v, %v", got, refused)
	}
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-east-1", "mars", 1))
	_, refused = verify(v, r, body)
	expect(t, "a region that is none", refused, fault.InvalidSignature, "Credential should be scoped to a valid region, not 'mars'.")
	r.Header.Del("Authorization")
	_, refused = verify(v, r, body)
	expect(t, "no signature", refused, fault.MissingAuthenticationToken, "Request is missing Authentication Token")
}

// TestRotation: a key cached for an old secret must not outlive it.
func TestRotation(t *testing.T) {
	secret := secretKey
	v := New(Options{
		Service: service, Now: func() time.Time { return noon },
		Lookup: func(context.Context, string, string) (string, identity.Principal, error) {
			return secret, identity.Principal{}, nil
		},
	})
	body := []byte("{}")
	r := signed(t, body, nil)
	if _, refused := verify(v, r, body); refused != nil {
		t.Fatal(refused)
	}
	secret = "rotated"
	_, refused := verify(v, r, body)
	expect(t, "the old secret", refused, fault.InvalidSignature, mismatchText)
}

func TestKeyCacheIsBounded(t *testing.T) {
	cache := keyCache{byScope: make(map[scope]signingKey)}
	old := scope{"old", "20260608", "us-east-1", "ds"}
	cache.keep(old, "secret", [32]byte{1})
	for i := range 3 * maxKeys {
		s := scope{fmt.Sprint("key", i), "20260609", "us-east-1", "ds"}
		cache.keep(s, "secret", [32]byte{2})
		if _, ok := cache.find(s, "secret"); !ok {
			t.Fatal("the newest key is not cached")
		}
		if len(cache.byScope) > maxKeys {
			t.Fatalf("%d keys cached", len(cache.byScope))
		}
	}
	if _, ok := cache.find(old, "secret"); ok {
		t.Error("yesterday's key was kept")
	}
}

// TestServer goes through net/http, which moves the host and the length out of the headers.
func TestServer(t *testing.T) {
	v := New(Options{Service: service, Lookup: lookup, Now: time.Now})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := body.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		if _, err := v.Verify(r.Context(), r, body.Bytes()); err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer server.Close()
	for _, target := range []string{"", "/", "/Users/CreateUser?DirectoryId=d-1234567890", "/a%20b/%C3%A9?x=%20&a=%2B&a=1"} {
		body := []byte(`{"SAMAccountName":"anna"}`)
		r := request(t, "POST", server.URL+target, body)
		r.Header.Set("Content-Type", "application/json")
		sign4(t, r, body, aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secretKey}, "ds-data", "us-east-1", time.Now())
		response, err := server.Client().Do(r)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", target, response, err)
		}
		if err == nil {
			response.Body.Close()
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, size := range []int{2, 1 << 10} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			body := bytes.Repeat([]byte("x"), size)
			r := signed(b, body, nil)
			v := verifier(noon)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), r, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
