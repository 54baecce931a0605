package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// link is where the chain stands after a record. A record's digest is the SHA-256 of the digest before it, the record's
// sequence number (8 bytes, big-endian) and its text without the member "integrity", which holds both and comes last.
type link struct {
	Sequence uint64 `json:"sequence"`
	Digest   digest `json:"digest"`
}

type digest [sha256.Size]byte

// MarshalText is the digest in hexadecimal.
func (d digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText is the opposite of MarshalText.
func (d *digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a digest of %d characters", len(text))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

const (
	integrityBegins = `,"integrity":{"sequence":`
	integrityGoesOn = `,"digest":"`
	integrityEnds   = `"}}`
)

// follow is the link after one more record.
func (l link) follow(record []byte) link {
	next := link{Sequence: l.Sequence + 1}
	hash := sha256.New()
	hash.Write(l.Digest[:])
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], next.Sequence)
	hash.Write(number[:])
	hash.Write(record)
	hash.Sum(next.Digest[:0])
	return next
}

// extend appends the records of text, JSON objects that each end with a line break, as links of the chain.
func (l *link) extend(dst, text []byte) []byte {
	for line := range bytes.Lines(text) {
		record := bytes.TrimSuffix(line, []byte{'\n'})
		*l = l.follow(record)
		dst = append(dst, record[:len(record)-1]...)
		dst = l.append(dst)
	}
	return dst
}

func (l link) append(dst []byte) []byte {
	dst = append(dst, integrityBegins...)
	dst = strconv.AppendUint(dst, l.Sequence, 10)
	dst = append(dst, integrityGoesOn...)
	dst = hex.AppendEncode(dst, l.Digest[:])
	return append(dst, integrityEnds+"\n"...)
}

// split is a line's record and the link that it says it is; ok is false for what extend does not write.
func split(line []byte) (record []byte, says link, ok bool) {
	at := bytes.LastIndex(line, []byte(integrityBegins))
	if at < 0 {
		return nil, link{}, false
	}
	number, rest, _ := bytes.Cut(line[at+len(integrityBegins):], []byte(integrityGoesOn))
	sequence, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil || len(rest) < hex.EncodedLen(len(says.Digest)) || says.Digest.UnmarshalText(rest[:hex.EncodedLen(len(says.Digest))]) != nil {
		return nil, link{}, false
	}
	says.Sequence = sequence
	if !bytes.Equal(line[at:], says.append(nil)) {
		return nil, link{}, false
	}
	return append(bytes.Clone(line[:at]), '}'), says, true
}
