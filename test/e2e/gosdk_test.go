package e2e

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
)

func sdk(t *testing.T, s *server, region string) *directoryservice.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region), config.WithSharedCredentialsFiles([]string{s.credentialsFile()}),
		config.WithSharedConfigFiles([]string{}), config.WithSharedConfigProfile("default"))
	if err != nil {
		t.Fatal(err)
	}
	return directoryservice.NewFromConfig(cfg, func(o *directoryservice.Options) { o.BaseEndpoint = &s.API; o.RetryMaxAttempts = 1 })
}

func TestGoSDK(t *testing.T) {
	s := start(t, corp(t))
	client := sdk(t, s, "us-east-1")
	reset := func(directory, user, password string) error {
		_, err := client.ResetUserPassword(t.Context(), &directoryservice.ResetUserPasswordInput{
			DirectoryId: aws.String(directory), UserName: aws.String(user), NewPassword: aws.String(password),
		})
		return err
	}
	if err := reset("d-1234567890", "jane", "Br4nd-new-one"); err != nil {
		t.Fatal(err)
	}
	var protected *types.UnsupportedOperationException
	if err := reset("d-1234567890", "outsider", "Br4nd-new-one"); !errors.As(err, &protected) {
		t.Errorf("outsider: %v", err)
	}
	if err := reset("d-0123456789", "ada", "Br4nd-new-one"); !errors.As(err, &protected) {
		t.Errorf("ada: %v", err)
	}
	var unknown *types.UserDoesNotExistException
	if err := reset("d-0123456789", "nobody", "Br4nd-new-one"); !errors.As(err, &unknown) {
		t.Errorf("nobody: %v", err)
	}
	t.Log(s.log.String())
}
