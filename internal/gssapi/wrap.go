package gssapi

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Context is what an initiator and the acceptor have agreed. One goroutine may wrap while another unwraps.
type Context struct {
	Initiator Initiator
	Flags     Flags

	key           types.EncryptionKey
	own           bool // the key is one that the acceptor has chosen
	send, receive uint64
}

// Overhead is how much longer than what is in it a token is at most.
const Overhead = 2*headerSize + confounderSize + checksumSize

// A token of RFC 4121 section 4.2.6.2 begins with a header.
const (
	headerSize = 16

	tokenWrap    = 0x0504
	fromAcceptor = 0x01
	sealedFlag   = 0x02
	ownKeyFlag   = 0x04
	filler       = 0xff
)

func header(flags byte, extra, rotated uint16, number uint64) []byte {
	h := binary.BigEndian.AppendUint16(make([]byte, 0, headerSize), tokenWrap)
	h = append(h, flags, filler)
	h = binary.BigEndian.AppendUint16(h, extra)
	h = binary.BigEndian.AppendUint16(h, rotated)
	return binary.BigEndian.AppendUint64(h, number)
}

func (c *Context) flags(sealed bool) (flags byte) {
	if sealed {
		flags |= sealedFlag
	}
	if c.own {
		flags |= ownKeyFlag
	}
	return flags
}

// Wrap makes a token that nobody can change, nor, if it is sealed, read.
func (c *Context) Wrap(plain []byte, sealed bool) ([]byte, error) {
	flags, number := c.flags(sealed)|fromAcceptor, c.send
	c.send++
	h := header(flags, 0, 0, number)
	if sealed {
		inner := append(slices.Clip(plain), h...)
		defer clear(inner)
		secret, err := encrypt(inner, c.key, keyusage.GSSAPI_ACCEPTOR_SEAL)
		return append(h, secret...), err
	}
	sum, err := checksum(append(slices.Clip(plain), h...), c.key, keyusage.GSSAPI_ACCEPTOR_SEAL)
	// The checksum is in front, as it is in AD's: some clients know no other place (MS-KILE section 3.4.5.4.1).
	return slices.Concat(header(flags, checksumSize, checksumSize, number), sum, plain), err
}

// Unwrap is what a token of the initiator has in it. Where the initiator keeps to an order it is the next one, neither an earlier
// one nor one behind a gap. The error wraps ErrToken or ErrRefused, after which the context is not to be used any more.
func (c *Context) Unwrap(token []byte) (plain []byte, sealed bool, err error) {
	if len(token) < headerSize || binary.BigEndian.Uint16(token) != tokenWrap || token[3] != filler {
		return nil, false, ErrToken
	}
	flags, extra, rotated, number := token[2], int(binary.BigEndian.Uint16(token[4:])), int(binary.BigEndian.Uint16(token[6:])), binary.BigEndian.Uint64(token[8:])
	sealed = flags&sealedFlag != 0
	if flags != c.flags(sealed) {
		return nil, false, refuse("a token with the flags %#x", flags)
	}
	body := unrotate(token[headerSize:], rotated)
	if sealed {
		plain, err = c.unseal(body, header(flags, uint16(extra), 0, number), extra) //nolint:gosec // of 16 bits
	} else {
		plain, err = c.unsign(body, header(flags, 0, 0, number), extra)
	}
	if err != nil {
		return nil, false, err
	}
	if c.Flags.Ordered() && number != c.receive {
		return nil, false, refuse("a token out of its turn")
	}
	c.receive++
	return plain, sealed, nil
}

// unrotate undoes a rotation to the right (section 4.2.5).
func unrotate(body []byte, by int) []byte {
	if len(body) == 0 || by%len(body) == 0 {
		return body
	}
	by %= len(body)
	return slices.Concat(body[by:], body[:by])
}

// unseal opens a sealed body: behind what is in it are extra bytes, and the header as it was before the rotation.
func (c *Context) unseal(body, head []byte, extra int) ([]byte, error) {
	inner, err := decrypt(body, c.key, keyusage.GSSAPI_INITIATOR_SEAL)
	if err != nil {
		return nil, refuse("%v", err)
	}
	end := len(inner) - headerSize
	if end < extra || !bytes.Equal(inner[end:], head) {
		clear(inner)
		return nil, refuse("a token whose header was changed")
	}
	return inner[:end-extra], nil
}

// unsign checks a body with the checksum at its end.
func (c *Context) unsign(body, head []byte, extra int) ([]byte, error) {
	if extra != checksumSize || len(body) < extra {
		return nil, ErrToken
	}
	plain := body[:len(body)-extra]
	if !verify(slices.Concat(plain, head), body[len(plain):], c.key, keyusage.GSSAPI_INITIATOR_SEAL) {
		return nil, refuse("%v", errIntegrity)
	}
	return bytes.Clone(plain), nil
}
