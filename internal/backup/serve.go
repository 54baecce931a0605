package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"filippo.io/age"
)

const (
	// partBytes is how much is handed out at once.
	partBytes = 4 << 20
	// idleTimeout is how long a backup waits for its reader.
	idleTimeout = 10 * time.Minute
	// MaxRecipients is for how many one backup can be.
	MaxRecipients = 20
)

var (
	// ErrNone says that there is no such backup: it was read to its end, given up, or another one was begun.
	ErrNone = errors.New("there is no such backup any more")
	// ErrOrder says that a part was asked for out of turn.
	ErrOrder = errors.New("parts are read in their order")
	// ErrRecipient says that something is not the public key of a recipient.
	ErrRecipient = errors.New("it is not an age recipient, age1…")
)

// Server hands backups of a running server out in parts, one backup at a time. Nothing is kept: a backup is made while it is
// read. It is safe for concurrent use.
type Server struct {
	Source Source

	mu      sync.Mutex
	current *handout
}

// handout is a backup that is being read.
type handout struct {
	id   string
	pipe *io.PipeReader
	stop context.CancelFunc
	idle *time.Timer
	done chan struct{}

	mu   sync.Mutex
	part int // that data is; the first is 0
	data []byte
	last bool
	err  error
}

// Begin begins a backup, and ends another one that is being read. Only the recipients can open it. Its errors are ErrRecipient,
// and Source.Check's.
func (s *Server) Begin(recipients []string) (id string, err error) {
	var keys []age.Recipient
	for i, each := range recipients {
		key, err := age.ParseX25519Recipient(each)
		if err != nil {
			return "", fmt.Errorf("recipient %d: %w", i+1, ErrRecipient)
		}
		keys = append(keys, key)
	}
	if err := s.Source.Check(); err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(context.Background())
	read, write := io.Pipe()
	h := &handout{id: rand.Text(), pipe: read, stop: stop, part: -1, done: make(chan struct{})}
	h.idle = time.AfterFunc(idleTimeout, h.end)
	s.mu.Lock()
	former := s.current
	s.current = h
	s.mu.Unlock()
	if former != nil {
		former.end()
		<-former.done
	}
	go func() {
		defer close(h.done)
		_ = write.CloseWithError(s.Source.Write(ctx, write, keys...))
	}()
	return h.id, nil
}

// Read is a part of a backup, and whether it is the last one. Parts are read in their order, and the newest as often as it
// takes. Its errors are ErrNone, ErrOrder, or say why the backup has failed.
func (s *Server) Read(id string, part int) (data []byte, last bool, err error) {
	s.mu.Lock()
	h := s.current
	s.mu.Unlock()
	if h == nil || h.id != id {
		return nil, false, ErrNone
	}
	return h.read(part)
}

func (h *handout) read(part int) ([]byte, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle.Reset(idleTimeout)
	switch {
	case part == h.part || h.err != nil:
		return h.data, h.last, h.err
	case part != h.part+1 || h.last:
		return nil, false, ErrOrder
	}
	data := make([]byte, partBytes)
	n, err := io.ReadFull(h.pipe, data)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		h.last = true
	case errors.Is(err, io.ErrClosedPipe):
		h.data, h.err = nil, ErrNone
		return nil, false, h.err
	case err != nil:
		h.data, h.err = nil, err
		return nil, false, err
	}
	h.part, h.data = part, data[:n]
	return h.data, h.last, nil
}

// end gives the backup up. What waits for it gets ErrNone.
func (h *handout) end() {
	h.idle.Stop()
	h.stop()
	_ = h.pipe.Close()
}

// Close ends the backup that is being read. The store may be closed then.
func (s *Server) Close() {
	s.mu.Lock()
	h := s.current
	s.current = nil
	s.mu.Unlock()
	if h != nil {
		h.end()
		<-h.done
	}
}
