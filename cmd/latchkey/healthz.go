package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type healthzCommand struct {
	EndpointURL string        `name:"endpoint-url" env:"LATCHKEY_ENDPOINT_URL,AWS_ENDPOINT_URL_DIRECTORY_SERVICE,AWS_ENDPOINT_URL" default:"http://127.0.0.1:4389" help:"Address of the server's AWS API."`
	CABundle    string        `name:"ca-bundle" env:"AWS_CA_BUNDLE" placeholder:"FILE" help:"CA certificates (PEM) that the server's certificate is signed by; the system's otherwise."`
	Timeout     time.Duration `name:"timeout" default:"5s" help:"How long the server may take."`
}

const maxHealth = 1 << 10

// Run asks the server without a signature. Its error says that the server is not ready, or not there.
func (c *healthzCommand) Run(s streams) error {
	server := &client{EndpointURL: c.EndpointURL, CABundle: c.CABundle}
	transport, err := server.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.EndpointURL, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return server.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(string(said))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", c.EndpointURL, response.Status, text)
	}
	_, err = fmt.Fprintln(s.out, text)
	return err
}
