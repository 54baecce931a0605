package identity

import (
	"bufio"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"latchkey/internal/durable"
)

// The environment variables that set the root's credentials, and the file in the data directory that keeps them otherwise.
const (
	EnvRootAccessKeyID     = "LATCHKEY_ROOT_ACCESS_KEY_ID"
	EnvRootSecretAccessKey = "LATCHKEY_ROOT_SECRET_ACCESS_KEY"
	RootFile               = "root-credentials"
)

// Credentials are an access key with its secret. They print without the secret.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
}

// String names the key and hides the secret.
func (c Credentials) String() string { return "access key " + c.AccessKeyID }

// GoString hides the secret from %#v.
func (c Credentials) GoString() string { return c.String() }

// LogValue hides the secret from logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.AccessKeyID) }

// LoadRoot is the root's credentials: those in the environment when both variables are set, else those in
// dir/root-credentials, which is created with new ones when it does not exist. env is os.Getenv or its like.
//
// The file has the format of AWS's shared credentials file, so that AWS_SHARED_CREDENTIALS_FILE may name it
// (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html). LoadRoot refuses a file that others than its
// owner may read or write.
func LoadRoot(dir string, env func(string) string) (Credentials, error) {
	fromEnv := Credentials{AccessKeyID: env(EnvRootAccessKeyID), SecretAccessKey: env(EnvRootSecretAccessKey)}
	switch {
	case fromEnv.AccessKeyID != "" && fromEnv.SecretAccessKey != "":
		if err := fromEnv.validate(); err != nil {
			return Credentials{}, fmt.Errorf("%s and %s: %w", EnvRootAccessKeyID, EnvRootSecretAccessKey, err)
		}
		return fromEnv, nil
	case fromEnv.AccessKeyID != "":
		return Credentials{}, fmt.Errorf("%s is set but %s is not: set both or neither", EnvRootAccessKeyID, EnvRootSecretAccessKey)
	case fromEnv.SecretAccessKey != "":
		return Credentials{}, fmt.Errorf("%s is set but %s is not: set both or neither", EnvRootSecretAccessKey, EnvRootAccessKeyID)
	}

	path := filepath.Join(dir, RootFile)
	root, err := readRoot(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	fresh, err := newCredentials()
	if err != nil {
		return Credentials{}, err
	}
	err = writeRoot(dir, path, fresh)
	if errors.Is(err, fs.ErrExist) {
		return readRoot(path) // another process was first
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("keep the root credentials: %w", err)
	}
	return fresh, nil
}

func newCredentials() (Credentials, error) {
	random := make([]byte, 10+30)
	if _, err := rand.Read(random); err != nil {
		return Credentials{}, fmt.Errorf("make root credentials: %w", err)
	}
	return Credentials{
		AccessKeyID:     "AKIA" + base32.StdEncoding.EncodeToString(random[:10]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(random[10:]),
	}, nil
}

// validate holds the id against IAM's own constraint (AccessKey in the IAM API reference); the secret's length is ours.
func (c Credentials) validate() error {
	if len(c.AccessKeyID) < 16 || len(c.AccessKeyID) > 128 {
		return fmt.Errorf("the access key id has %d characters, it must have 16 to 128", len(c.AccessKeyID))
	}
	for _, char := range []byte(c.AccessKeyID) {
		if !isWord(char) {
			return errors.New("the access key id may hold only letters, digits and underscores")
		}
	}
	if len(c.SecretAccessKey) < 16 || len(c.SecretAccessKey) > 256 {
		return fmt.Errorf("the secret access key has %d characters, it must have 16 to 256", len(c.SecretAccessKey))
	}
	for _, char := range []byte(c.SecretAccessKey) {
		if char <= ' ' || char > '~' {
			return errors.New("the secret access key may hold only printable ASCII characters without spaces")
		}
	}
	return nil
}

func isWord(char byte) bool {
	return char == '_' || '0' <= char && char <= '9' || 'A' <= char && char <= 'Z' || 'a' <= char && char <= 'z'
}

func readRoot(path string) (Credentials, error) {
	file, err := os.Open(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("read the root credentials: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Credentials{}, fmt.Errorf("read the root credentials: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Credentials{}, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Credentials{}, fmt.Errorf("%s has mode %04o, so others may use the root credentials in it: run chmod 600 %s, "+
			"or delete it to get new ones", path, mode, path)
	}
	root, err := parseRoot(bufio.NewScanner(file))
	if err == nil {
		err = root.validate()
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("%s: %w", path, err)
	}
	return root, nil
}

func parseRoot(lines *bufio.Scanner) (Credentials, error) {
	var root Credentials
	section := ""
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = strings.TrimSpace(strings.Trim(line, "[]"))
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return Credentials{}, fmt.Errorf("line %d is neither [section] nor name = value", number)
		}
		if section != "default" {
			continue
		}
		switch strings.TrimSpace(name) {
		case "aws_access_key_id":
			root.AccessKeyID = strings.TrimSpace(value)
		case "aws_secret_access_key":
			root.SecretAccessKey = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return Credentials{}, err
	}
	if root.AccessKeyID == "" || root.SecretAccessKey == "" {
		return Credentials{}, errors.New("[default] needs aws_access_key_id and aws_secret_access_key")
	}
	return root, nil
}

// writeRoot creates path whole or not at all, and answers fs.ErrExist when it is there already: a link, unlike a
// rename, never replaces a file that another process has already begun to use.
func writeRoot(dir, path string, root Credentials) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", root.AccessKeyID, root.SecretAccessKey)
	defer clear(text)
	return durable.Create(path, 0o600, text)
}
