// Command demo shows the main job from end to end: it starts a server with the example directories, resets a user's
// password through the AWS API, and proves by LDAP logins that the new password works and the old one does not.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/go-ldap/ldap/v3"
)

const (
	directoryID = "d-1234567890"
	userName    = "jane"
	userUPN     = "jane@corp.example.com"
	oldPassword = "Winter-Sun-2025"
	newPassword = "Summer-Rain-2026"
	region      = "us-east-1"
	patience    = time.Minute
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: demo LATCHKEY SEED")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "demo failed:", err)
		os.Exit(1)
	}
}

// server is where a started server listens: its ready line.
type server struct {
	API   string `json:"api"`
	LDAP  string `json:"ldap"`
	LDAPS string `json:"ldaps"`
	PID   int    `json:"pid"`

	data    string
	process *exec.Cmd
}

func run(ctx context.Context, binary, seed string) (err error) {
	started := time.Now()
	s, err := start(ctx, binary, seed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	step("A server with two directories, ready after %d ms (process %d): API %s, LDAP %s, LDAPS %s", time.Since(started).Milliseconds(), s.PID, s.API, s.LDAP, s.LDAPS)

	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	described, err := client.DescribeDirectories(ctx, &directoryservice.DescribeDirectoriesInput{})
	if err != nil {
		return err
	}
	for _, d := range described.DirectoryDescriptions {
		step("Directory %s: %s, %s, %s", aws.ToString(d.DirectoryId), aws.ToString(d.Name), d.Type, d.Stage)
	}

	if err := s.login(oldPassword); err != nil {
		return fmt.Errorf("%s can't log in with the first password: %w", userUPN, err)
	}
	step("%s logs in by LDAPS with the first password", userUPN)

	weak := &directoryservice.ResetUserPasswordInput{DirectoryId: aws.String(directoryID), UserName: aws.String(userName), NewPassword: aws.String("short")}
	var refused *types.InvalidPasswordException
	if _, err := client.ResetUserPassword(ctx, weak); !errors.As(err, &refused) {
		return fmt.Errorf("a weak password was not refused: %w", err)
	}
	step("A weak password is refused: InvalidPasswordException")

	reset := &directoryservice.ResetUserPasswordInput{DirectoryId: aws.String(directoryID), UserName: aws.String(userName), NewPassword: aws.String(newPassword)}
	if _, err := client.ResetUserPassword(ctx, reset); err != nil {
		return err
	}
	step("ResetUserPassword, signed with the root key, answers 200")

	if err := s.login(oldPassword); !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		return fmt.Errorf("the old password is not refused: %w", err)
	}
	step("The old password is refused: invalid credentials (49), data 52e")
	if err := s.login(newPassword); err != nil {
		return fmt.Errorf("the new password is refused: %w", err)
	}
	step("The new password logs in")
	s.suggest()
	return nil
}

func step(format string, args ...any) { fmt.Printf("  ✓ "+format+"\n", args...) }

// start runs a server on free ports with a data directory of its own, and waits for its ready line.
func start(ctx context.Context, binary, seed string) (*server, error) {
	data, err := os.MkdirTemp("", "latchkey-demo-")
	if err != nil {
		return nil, err
	}
	s := &server{data: data}
	s.process = exec.Command(binary, "serve", "--data", data, "--seed", seed, "--free-ports", "--log-level", "warn")
	s.process.Stderr = os.Stderr
	output, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	line := make(chan []byte, 1)
	go func() {
		scanner := bufio.NewScanner(output)
		if scanner.Scan() {
			line <- scanner.Bytes()
		}
		close(line)
	}()
	select {
	case ready := <-line:
		err = json.Unmarshal(ready, s)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not become ready: %w", err), s.stop())
	}
	return s, nil
}

func (s *server) stop() error {
	err := s.process.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = s.process.Wait()
	}
	return errors.Join(err, os.RemoveAll(s.data))
}

// client uses the root credentials that the server wrote, as the AWS CLI would.
func (s *server) client(ctx context.Context) (*directoryservice.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithSharedCredentialsFiles([]string{filepath.Join(s.data, "root-credentials")}),
		config.WithSharedConfigFiles([]string{}), config.WithSharedConfigProfile("default"))
	if err != nil {
		return nil, err
	}
	return directoryservice.NewFromConfig(cfg, func(o *directoryservice.Options) { o.BaseEndpoint = &s.API }), nil
}

// login is a simple bind over LDAPS, with the server's certificate verified.
func (s *server) login(password string) error {
	ca, err := os.ReadFile(filepath.Join(s.data, "tls", "ca.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	conn, err := ldap.DialURL(s.LDAPS, ldap.DialWithTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Bind(userUPN, password)
}

func (s *server) suggest() {
	fmt.Printf(`
Try it by hand. In one terminal:

  make run

and in another (a --dev server takes any access key):

  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=%[1]s
  aws --endpoint-url http://127.0.0.1:4389 ds reset-user-password \
      --directory-id %[2]s --user-name %[3]s --new-password '%[4]s'
  ldapwhoami -x -H ldap://127.0.0.1:10389 -D %[5]s -w '%[4]s'
`, region, directoryID, userName, newPassword, userUPN)
}
