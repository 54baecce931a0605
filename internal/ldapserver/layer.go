package ldapserver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"

	"latchkey/internal/gssapi"
)

// layer is a connection under a security layer of SASL (RFC 4422 section 3.7): tokens, each behind its length in four bytes.
type layer struct {
	net.Conn
	context *gssapi.Context
	seal    bool
	most    int // the largest token that the peer takes
	limit   int // the largest token that is read

	// What is read: of a token so far, with its length, and of what was in the last one.
	token []byte
	have  int
	plain []byte
}

const lengthSize = 4

var errLayer = errors.New("the peer has left the security layer")

func newLayer(conn net.Conn, s secured, limit int) *layer {
	return &layer{Conn: conn, context: s.context, seal: s.seal, most: s.most, limit: limit, token: make([]byte, lengthSize)}
}

// Read implements io.Reader. What came of a token before a deadline is there after it.
func (l *layer) Read(p []byte) (int, error) {
	for len(l.plain) == 0 {
		if err := l.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.plain)
	clear(l.plain[:n])
	l.plain = l.plain[n:]
	return n, nil
}

// fill reads some more of a token, and opens it when it is whole.
func (l *layer) fill() error {
	n, err := l.Conn.Read(l.token[l.have:])
	l.have += n
	switch {
	case l.have < len(l.token) && errors.Is(err, io.EOF) && l.have > 0:
		return io.ErrUnexpectedEOF
	case l.have < len(l.token):
		return err
	case l.have == lengthSize:
		size := binary.BigEndian.Uint32(l.token)
		if size == 0 || uint64(size) > uint64(l.limit) { //nolint:gosec // a limit is positive
			return errLayer
		}
		l.token = append(make([]byte, 0, lengthSize+int(size)), l.token...)[:lengthSize+int(size)]
		return nil
	}
	plain, sealed, err := l.context.Unwrap(l.token[lengthSize:])
	clear(l.token)
	l.token, l.have = l.token[:lengthSize], 0
	if cap(l.token) > keptBuffer {
		l.token = make([]byte, lengthSize)
	}
	if err == nil && l.seal && !sealed {
		err = errLayer
	}
	l.plain = plain
	return err
}

// writePiece is how much goes into one token: more saves little.
const writePiece = 16 << 10

// Write implements io.Writer.
func (l *layer) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		n := min(len(p), writePiece, l.most-gssapi.Overhead)
		token, err := l.context.Wrap(p[:n], l.seal)
		if err != nil {
			return written, err
		}
		framed := append(binary.BigEndian.AppendUint32(make([]byte, 0, lengthSize+len(token)), uint32(len(token))), token...) //nolint:gosec // at most l.most
		if _, err := l.Conn.Write(framed); err != nil {
			return written, err
		}
		written += n
		p = p[n:]
	}
	return written, nil
}
