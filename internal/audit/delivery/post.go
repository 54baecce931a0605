package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// poster delivers by HTTP: JSON lines, which any 2xx acknowledges. It keeps no cookies and follows no redirects: what is
// delivered goes where the operator said.
type poster struct {
	target *Target
	client *http.Client // nil after a failure: its files may have changed
}

func (p *poster) send(ctx context.Context, batch []record) error {
	err := p.post(ctx, batch)
	if err != nil {
		p.close()
	}
	return err
}

func (p *poster) close() {
	if p.client != nil {
		p.client.CloseIdleConnections()
		p.client = nil
	}
}

func (p *poster) post(ctx context.Context, batch []record) error {
	if p.client == nil {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxAnswer, MaxIdleConns: 1}
		if p.target.secure() {
			settings, err := p.target.tls()
			if err != nil {
				return err
			}
			transport.TLSClientConfig = settings
		}
		p.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	var body []byte
	for _, r := range batch {
		body = append(body, r.line...)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.target.url(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL can't be used")
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("User-Agent", "latchkey")
	token, err := p.target.token()
	if err != nil {
		return err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := p.client.Do(request)
	if err != nil {
		// The error repeats the URL, with what may be secret in it.
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}
