package ldapserver

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

const (
	smallBuffer = 4 << 10
	// A buffer that grew beyond this for one message is given back after it.
	keptBuffer = 64 << 10
)

var (
	errTooLarge = errors.New("LDAP message too large")
	errTooSlow  = errors.New("LDAP message took too long")
	errIdle     = errors.New("LDAP connection idle")
)

// reader frames PDUs in a buffer of its own, so that what a password lay in can be wiped.
type reader struct {
	stream     net.Conn
	buf        []byte
	start, end int
}

// pace is what a reader holds the peer to.
type pace struct {
	limit         int
	idle, message time.Duration
	// rearm is asked when the peer was silent for the idle time: nil waits as long again, an error gives up.
	rearm func() error
	// armed is asked each time after the idle deadline is set: an error gives up.
	armed func() error
}

// next is the whole next PDU, valid until done. It allocates no more than the limit, and not before the length is known.
// Its errors are errMalformed, errTooLarge, errTooSlow, what pace gave, and those of the network; io.EOF only between PDUs.
func (r *reader) next(p pace) ([]byte, error) {
	for r.start == r.end {
		if err := r.await(p); err != nil {
			return nil, err
		}
	}
	timed := false
	for {
		have := r.buf[r.start:r.end]
		if have[0] != tagSequence {
			return nil, errMalformed
		}
		size, length, err := header(have)
		if err != nil {
			return nil, err
		}
		want := size + length
		if size > 0 && want > p.limit {
			return nil, errTooLarge
		}
		if size > 0 && want <= len(have) {
			return have[:want:want], nil
		}
		if !timed {
			timed = true
			if err := r.stream.SetReadDeadline(time.Now().Add(p.message)); err != nil {
				return nil, err
			}
			// A drain between the two deadlines must not be forgotten.
			if err := p.armed(); err != nil {
				return nil, err
			}
		}
		if err := r.fill(max(want, len(have)+1)); err != nil {
			return nil, midMessage(err)
		}
	}
}

func midMessage(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errTooSlow
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// await waits for a message's first byte.
func (r *reader) await(p pace) error {
	if err := r.stream.SetReadDeadline(time.Now().Add(p.idle)); err != nil {
		return err
	}
	if err := p.armed(); err != nil {
		return err
	}
	err := r.fill(1)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return p.rearm()
	}
	return err
}

// fill reads once, after making room for want bytes from start on.
func (r *reader) fill(want int) error {
	if r.start+want > len(r.buf) {
		if want <= len(r.buf) {
			copy(r.buf, r.buf[r.start:r.end])
			clear(r.buf[r.end-r.start : r.end])
		} else {
			larger := make([]byte, max(want, smallBuffer))
			copy(larger, r.buf[r.start:r.end])
			clear(r.buf)
			r.buf = larger
		}
		r.start, r.end = 0, r.end-r.start
	}
	n, err := r.stream.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	return err
}

// done wipes a PDU that next returned.
func (r *reader) done(pdu []byte) {
	clear(pdu)
	r.start += len(pdu)
	if r.start < r.end {
		return
	}
	r.start, r.end = 0, 0
	if len(r.buf) > keptBuffer {
		r.buf = nil
	}
}

// behind is the number of bytes that came after the PDU.
func (r *reader) behind(pdu []byte) int { return r.end - r.start - len(pdu) }

func (r *reader) wipe() { clear(r.buf) }
