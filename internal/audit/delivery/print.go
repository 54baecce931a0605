package delivery

import (
	"context"
	"errors"
	"io"
)

// printer delivers to standard output. A write that nobody reads can't be called off: it goes on, and is the answer to the same
// batch when that is sent again.
type printer struct {
	to      io.Writer
	pending chan error
}

var errUnread = errors.New("nobody reads it")

func (p *printer) send(ctx context.Context, batch []record) error {
	if p.pending == nil {
		var text []byte
		for _, r := range batch {
			text = append(text, r.line...)
		}
		done := make(chan error, 1)
		go func() {
			_, err := p.to.Write(text)
			done <- err
		}()
		p.pending = done
	}
	select {
	case err := <-p.pending:
		p.pending = nil
		return err
	case <-ctx.Done():
		return errUnread
	}
}
