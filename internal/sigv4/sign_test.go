package sigv4

import (
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"latchkey/internal/identity"
)

// TestSignAsTheSDKDoes signs random requests twice: the SDK's signer and ours have to write the same, and the verifier
// takes it.
func TestSignAsTheSDKDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	v := verifier(noon)
	for i := range 1000 {
		r, body := randomCall(t, random, false)
		for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Custom"} {
			r.Header.Del(name)
		}
		r.ContentLength = 0 // the SDK signs a length if there is one
		session := ""
		who := identity.Credentials{AccessKeyID: keyID, SecretAccessKey: secretKey}
		if random.IntN(2) == 0 {
			who.AccessKeyID, session = tokenKeyID, token
		}
		theirs := copyOf(r)
		sign4(t, theirs, body, aws.Credentials{AccessKeyID: who.AccessKeyID, SecretAccessKey: secretKey, SessionToken: session}, service(r), "eu-west-1", noon)
		if i%2 == 0 {
			r.Host = "" // net/http then sends the URL's
		}
		if err := Sign(r, body, who, session, service(r), "eu-west-1", noon); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
			if got, want := r.Header.Get(name), theirs.Header.Get(name); got != want {
				t.Fatalf("%s %s: %s is\n%s\nand the SDK's\n%s", r.Method, r.URL, name, got, want)
			}
		}
		result, refused := verify(v, r, body)
		if refused != nil {
			t.Fatal(refused)
		}
		if result.AccessKeyID != who.AccessKeyID || result.Region != "eu-west-1" || result.Service != service(r) {
			t.Errorf("got %+v", result)
		}
	}
}

func TestSignRefusesAQueryThatNobodyUnderstands(t *testing.T) {
	r := request(t, "POST", "http://127.0.0.1/?a=%zz", nil)
	if err := Sign(r, nil, identity.Credentials{AccessKeyID: keyID, SecretAccessKey: secretKey}, "", "ds", "us-east-1", noon); err == nil {
		t.Errorf("signed: %v", r.Header)
	}
}
