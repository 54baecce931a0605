package latchkeytest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/go-ldap/ldap/v3"

	"latchkey/latchkeytest"
)

const seed = `
directories:
  - id: d-1234567890
    type: SimpleAD
    name: corp.example.com
    shortName: CORP
    size: Small
    password: Harbour-Light-11
    users:
      - {name: jane, password: Old-Password-1}
`

// rotate is the code under test: it gives a user a new password.
func rotate(ctx context.Context, client *directoryservice.Client, password string) error {
	id, name := "d-1234567890", "jane"
	_, err := client.ResetUserPassword(ctx, &directoryservice.ResetUserPasswordInput{DirectoryId: &id, UserName: &name, NewPassword: &password})
	return err
}

func clientOf(srv *latchkeytest.Server) *directoryservice.Client {
	return directoryservice.New(directoryservice.Options{
		Region: "us-east-1", BaseEndpoint: &srv.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func login(t *testing.T, srv *latchkeytest.Server, password string) error {
	t.Helper()
	text, err := os.ReadFile(srv.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	conn, err := ldap.DialURL(srv.LDAPS, ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.Bind("jane@corp.example.com", password)
}

func TestServer(t *testing.T) {
	t.Parallel()
	srv, other := latchkeytest.Start(t, seed), latchkeytest.Start(t, seed, latchkeytest.Delay("create", time.Second))
	srv.Fault(latchkeytest.Fault{Operation: "ResetUserPassword", Code: "ThrottlingException", Times: 2})
	if err := rotate(t.Context(), clientOf(srv), "New-Password-2"); err != nil {
		t.Fatal(err)
	}
	if login(t, srv, "New-Password-2") != nil || login(t, srv, "Old-Password-1") == nil {
		t.Error("the reset has no effect")
	}
	if login(t, other, "Old-Password-1") != nil {
		t.Error("two servers share a user")
	}
	srv.Stage("d-1234567890", "Failed")
	var unavailable *types.DirectoryUnavailableException
	if err := rotate(t.Context(), clientOf(srv), "New-Password-3"); !errors.As(err, &unavailable) {
		t.Errorf("in the stage Failed: %v", err)
	}
	srv.Stage("d-1234567890", "")
	srv.Fault(latchkeytest.Fault{UserName: "jane", Delay: time.Millisecond})
	srv.ClearFaults()
	srv.Reset()
	if login(t, srv, "Old-Password-1") != nil || login(t, srv, "New-Password-2") == nil {
		t.Error("after Reset the password is not the seed's")
	}
}
