package event

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

// append writes to the file that has the path now, so that it can be rotated.
func (s *sink) append(_ context.Context, batch []byte) error {
	file, err := os.OpenFile(string(s.target), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(batch)
	return errors.Join(err, file.Close())
}

func (s *sink) post(ctx context.Context, batch []byte) error {
	return post(ctx, s.target, "application/x-ndjson", batch)
}

// post is content with any 2xx.
func post(ctx context.Context, target Target, media string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, string(target), bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL can't be used")
	}
	request.Header.Set("Content-Type", media)
	response, err := client.Do(request)
	if err != nil {
		// The error repeats the URL, with what may be secret in it.
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("%s: %w", target, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", target, response.Status)
	}
	return nil
}
