package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"latchkey/internal/identity"
)

// credentials are an access key with the session token that it may have.
type credentials struct {
	identity.Credentials
	sessionToken string
}

// findCredentials is what AWS's own clients use here: those in the environment, else a profile of the shared credentials
// file (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html). env is os.Getenv or its like.
func findCredentials(env func(string) string) (credentials, error) {
	var c credentials
	c.AccessKeyID, c.SecretAccessKey, c.sessionToken = env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), env("AWS_SESSION_TOKEN")
	switch {
	case c.AccessKeyID != "" && c.SecretAccessKey != "":
		return c, nil
	case c.AccessKeyID != "" || c.SecretAccessKey != "":
		return c, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together, and one of them is not set")
	}
	path := env("AWS_SHARED_CREDENTIALS_FILE")
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return c, fmt.Errorf("there are no credentials: %w", err)
		}
		path = filepath.Join(home, ".aws", "credentials")
	}
	profile := env("AWS_PROFILE")
	if profile == "" {
		profile = "default"
	}
	file, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("there are no credentials: AWS_ACCESS_KEY_ID is not set, and %w", err)
	}
	defer file.Close()
	return readProfile(file, path, profile)
}

const maxCredentials = 1 << 20

// readProfile is the credentials of one [section].
func readProfile(text io.Reader, path, profile string) (credentials, error) {
	var c credentials
	wanted, found := false, false
	lines := bufio.NewScanner(io.LimitReader(text, maxCredentials))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			wanted = strings.TrimSpace(strings.Trim(line, "[]")) == profile
			found = found || wanted
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		if !wanted {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(name) {
		case "aws_access_key_id":
			c.AccessKeyID = value
		case "aws_secret_access_key":
			c.SecretAccessKey = value
		case "aws_session_token":
			c.sessionToken = value
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return credentials{}, fmt.Errorf("%s: %w", path, err)
	case !found:
		return credentials{}, fmt.Errorf("%s has no profile [%s]", path, profile)
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return credentials{}, fmt.Errorf("%s: [%s] needs aws_access_key_id and aws_secret_access_key", path, profile)
	}
	return c, nil
}
