package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"latchkey/internal/sigv4"
	"latchkey/internal/wire"
)

// client is the running server that a command talks to, and how: flags that such commands have in common.
type client struct {
	EndpointURL string `name:"endpoint-url" env:"LATCHKEY_ENDPOINT_URL,AWS_ENDPOINT_URL_DIRECTORY_SERVICE,AWS_ENDPOINT_URL" default:"http://127.0.0.1:4389" group:"Server" help:"Address of the server's AWS API."`
	Region      string `name:"region" env:"AWS_REGION,AWS_DEFAULT_REGION" default:"us-east-1" group:"Server" help:"Region of the directories."`
	CABundle    string `name:"ca-bundle" env:"AWS_CA_BUNDLE" placeholder:"FILE" group:"Server" help:"CA certificates (PEM) that the server's certificate is signed by; the system's otherwise."`
	Output      string `name:"output" enum:"text,json" default:"text" group:"Server" help:"text, or the server's JSON."`
}

const (
	// callTimeout is longer than an operation may take.
	callTimeout = time.Minute
	maxAnswer   = 16 << 20
	// throttledTries and firstPause are how often a call that is throttled is made, and the pause after the first time, which
	// doubles up to longestPause.
	throttledTries = 8
	firstPause     = 50 * time.Millisecond
	longestPause   = 5 * time.Second
)

// exception is an answer of the server that refuses a call. Directory Service Data gives some a Reason.
type exception struct{ Code, Message, Reason string }

func (e *exception) Error() string {
	text := e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

// isException says whether the server refused a call by an exception of one of these names.
func isException(err error, codes ...string) bool {
	told, ok := errors.AsType[*exception](err)
	return ok && slices.Contains(codes, told.Code)
}

// advised is an error with what to do about it.
type advised struct {
	error
	hint string
}

func (a *advised) Unwrap() error { return a.error }

// session is a client whose flags have been looked at, for any number of calls at once.
type session struct {
	*client
	address *url.URL
	key     credentials
	http    *http.Client
}

// connect finds the credentials and what the flags name. The server hears nothing yet.
func (c *client) connect() (*session, error) {
	address, err := url.Parse(c.EndpointURL)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return nil, fmt.Errorf("--endpoint-url: %q is not an http:// or https:// address", c.EndpointURL)
	}
	key, err := findCredentials(os.Getenv)
	if err != nil {
		return nil, &advised{err, "AWS_SHARED_CREDENTIALS_FILE may name root-credentials in the server's data directory; a server with --dev takes any key in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}
	}
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	return &session{c, address, key, &http.Client{
		Transport: transport, Timeout: callTimeout,
		// A signature holds for one address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// call makes one call of the API, as session.call.
func (c *client) call(ctx context.Context, service *wire.Service, operation string, in, out any) ([]byte, error) {
	s, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer s.http.CloseIdleConnections()
	return s.call(ctx, service, operation, in, out)
}

// call makes one call of the API, reads the answer into out, and returns it as it came. It is made again while the server
// throttles it. Its errors are *exception where the server has answered.
func (s *session) call(ctx context.Context, service *wire.Service, operation string, in, out any) ([]byte, error) {
	pause := firstPause
	for tries := 1; ; tries++ {
		answer, err := s.once(ctx, service, operation, in, out)
		if tries == throttledTries || !isException(err, "ThrottlingException") || !wait(ctx, pause) {
			return answer, err
		}
		pause = min(2*pause, longestPause)
	}
}

// wait says false when the context ends first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *session) once(ctx context.Context, service *wire.Service, operation string, in, out any) ([]byte, error) {
	request, err := s.request(ctx, service, operation, in)
	if err != nil {
		return nil, err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, s.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, s.unreachable(err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, s.refused(response, answer)
	}
	if len(answer) == 0 {
		return []byte("{}"), nil // an operation without output
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, s.stranger(response.Status)
	}
	return answer, nil
}

func (s *session) request(ctx context.Context, service *wire.Service, operation string, in any) (*http.Request, error) {
	path, query, body, err := service.EncodeRequest(operation, in)
	if err != nil {
		return nil, err
	}
	address := s.address
	if service.REST() {
		address = address.JoinPath(path)
		address.RawQuery = query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), &sent{*bytes.NewReader(body), body})
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(body))
	request.Header.Set("Content-Type", "application/json")
	if !service.REST() {
		request.Header.Set("Content-Type", wire.ContentType)
		request.Header.Set("X-Amz-Target", service.Target(operation))
	}
	request.Header.Set("User-Agent", "latchkey")
	return request, sigv4.Sign(request, body, s.key.Credentials, s.key.sessionToken, service.Signing, s.Region, time.Now())
}

// sent is a request's body, which may have a password in it: it is wiped when it was sent.
type sent struct {
	bytes.Reader
	body []byte
}

func (s *sent) Close() error {
	clear(s.body)
	return nil
}

func (c *client) transport() (*http.Transport, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: maxParallel,
	}
	if c.CABundle == "" {
		return transport, nil
	}
	text, err := os.ReadFile(c.CABundle)
	if err != nil {
		return nil, fmt.Errorf("--ca-bundle: %w", err)
	}
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca-bundle: there is no certificate (PEM) in %s", c.CABundle)
	}
	return transport, nil
}

const hintAddress = "--endpoint-url says where the server is, https:// if it has --tls-cert"

// unreachable is the error of a call that got no answer.
func (c *client) unreachable(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	told := fmt.Errorf("no answer from %s: %w", c.EndpointURL, err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return &advised{told, "is the server running? --endpoint-url says where it is"}
	case errors.Is(err, http.ErrSchemeMismatch):
		return &advised{told, "the server speaks http:// there"}
	// A server with TLS says so and closes the connection at once, so that its words may be lost.
	case errors.Is(err, syscall.ECONNRESET) && strings.HasPrefix(c.EndpointURL, "http://"):
		return &advised{told, hintAddress}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &advised{told, "--ca-bundle names the CA certificates that the server's is signed by"}
	}
	return told
}

// refused is the exception in an answer.
func (s *session) refused(response *http.Response, answer []byte) error {
	var parts struct {
		Type    string `json:"__type"`
		Message string // or message: encoding/json takes both
		Reason  string
	}
	if err := json.Unmarshal(answer, &parts); err != nil {
		return s.stranger(response.Status)
	}
	name, _, _ := strings.Cut(cmp.Or(response.Header.Get(wire.ErrorTypeHeader), parts.Type), ":")
	if _, code, ok := strings.Cut(name, "#"); ok {
		name = code
	}
	if name == "" {
		return s.stranger(response.Status)
	}
	message, _, _ := strings.Cut(parts.Message, " : RequestId: ")
	told := &exception{text(&name), text(&message), text(&parts.Reason)}
	switch {
	case name == "UnrecognizedClientException" || name == "InvalidSignatureException":
		return &advised{told, "the access key has to be the server's: root-credentials in its data directory has it"}
	case name == "UnknownOperationException":
		return &advised{told, "the server does not know this operation: it is older than this program, or not Latchkey"}
	case told.Reason == "DATA_DISABLED":
		return &advised{told, "latchkey directory data-access d-… enable lets its users and groups be managed"}
	case name == "InvalidPasswordException":
		return &advised{told, "--generate makes one that the directory takes"}
	case name == "UserDoesNotExistException" || name == "ResourceNotFoundException" && strings.HasPrefix(message, "User "):
		return &advised{told, "latchkey user search finds users by a part of their names"}
	case name == "ResourceNotFoundException" && strings.HasPrefix(message, "Group "):
		return &advised{told, "latchkey group list shows the groups"}
	case name == "ResourceNotFoundException" && strings.HasPrefix(message, "Member "):
		return &advised{told, "members are users, groups, and computers, whose names end with $"}
	case name == "ValidationException" && strings.Contains(message, "at 'sAMAccountName'"):
		return &advised{told, "the name of a user is up to 20 letters, digits, and . _ -, that of a group up to 64 characters"}
	case name == "AccessDeniedException" && strings.HasPrefix(message, "You do not have access to directory"):
		return &advised{told, "latchkey directory list shows the directories"}
	}
	return told
}

func (c *client) stranger(status string) error {
	return &advised{fmt.Errorf("the answer from %s is not Latchkey's (HTTP %s)", c.EndpointURL, status), hintAddress}
}
