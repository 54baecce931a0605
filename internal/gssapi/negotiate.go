package gssapi

import (
	"bytes"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Mechanisms by the content of their object identifiers.
var (
	kerberos    = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02} // 1.2.840.113554.1.2.2, RFC 4121
	oldKerberos = []byte{0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02} // 1.2.840.48018.1.2.2, MS-SPNG section 3.1.1.1: a slip of theirs
	negotiation = []byte{0x2b, 0x06, 0x01, 0x05, 0x05, 0x02}                   // 1.3.6.1.5.5.2, RFC 4178
)

// maxMechanisms is more than anybody offers.
const maxMechanisms = 32

// acceptCompleted is negState of RFC 4178 section 4.2.2.
const acceptCompleted = 0

// Negotiate is Accept for a token of the negotiation, whose first choice has to be Kerberos: the answer is then complete, and
// nobody on the way can have changed the choice (RFC 4178 section 5).
func (a *Acceptor) Negotiate(token []byte) (*Context, []byte, error) {
	mechanism, inner, err := readInit(token)
	if err != nil {
		return nil, nil, err
	}
	c, reply, err := a.Accept(inner)
	if err != nil {
		return nil, nil, err
	}
	var b cryptobyte.Builder
	explicit := func(b *cryptobyte.Builder, tag uint8, kind asn1.Tag, content []byte) {
		b.AddASN1(asn1.Tag(tag).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(kind, func(b *cryptobyte.Builder) { b.AddBytes(content) })
		})
	}
	b.AddASN1(asn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			explicit(b, 0, asn1.ENUM, []byte{acceptCompleted})
			explicit(b, 1, asn1.OBJECT_IDENTIFIER, mechanism)
			if reply != nil {
				explicit(b, 2, asn1.OCTET_STRING, reply)
			}
		})
	})
	answer, err := b.Bytes()
	return c, answer, err
}

// Offer is what the acceptor says to an initiator that wants it to speak first (MS-SPNG section 2.2.1, NegTokenInit2): that it
// knows Kerberos.
func Offer() ([]byte, error) {
	explicit := func(b *cryptobyte.Builder, tag uint8, content func(*cryptobyte.Builder)) {
		b.AddASN1(asn1.Tag(tag).ContextSpecific().Constructed(), content)
	}
	var b cryptobyte.Builder
	b.AddASN1(mechanismTag, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(negotiation) })
		explicit(b, 0, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				explicit(b, 0, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, mechanism := range [][]byte{oldKerberos, kerberos} {
							b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(mechanism) })
						}
					})
				})
			})
		})
	})
	return b.Bytes()
}

// readInit is the first choice of a NegTokenInit (RFC 4178 section 4.2.1) and the token for it.
func readInit(token []byte) (mechanism, inner []byte, err error) {
	var content, init, sequence, list, field cryptobyte.String
	var object []byte
	outer := cryptobyte.String(token)
	if len(token) > MaxToken || !outer.ReadASN1(&content, mechanismTag) || !outer.Empty() || !readObject(&content, &object) || !bytes.Equal(object, negotiation) ||
		!content.ReadASN1(&init, asn1.Tag(0).ContextSpecific().Constructed()) || !init.ReadASN1(&sequence, asn1.SEQUENCE) ||
		!sequence.ReadASN1(&field, asn1.Tag(0).ContextSpecific().Constructed()) || !field.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, nil, ErrToken
	}
	var mechanisms [][]byte
	for !list.Empty() {
		var each []byte
		if len(mechanisms) == maxMechanisms || !readObject(&list, &each) {
			return nil, nil, ErrToken
		}
		mechanisms = append(mechanisms, each)
	}
	known := func(m []byte) bool { return bytes.Equal(m, kerberos) || bytes.Equal(m, oldKerberos) }
	switch at := slices.IndexFunc(mechanisms, known); {
	case at < 0:
		return nil, nil, refuse("the initiator does not offer Kerberos")
	case at > 0:
		return nil, nil, refuse("the initiator would rather use another mechanism than Kerberos")
	}
	if !sequence.SkipOptionalASN1(asn1.Tag(1).ContextSpecific().Constructed()) ||
		!sequence.ReadASN1(&field, asn1.Tag(2).ContextSpecific().Constructed()) || !field.ReadASN1Bytes(&inner, asn1.OCTET_STRING) {
		return nil, nil, ErrToken
	}
	return mechanisms[0], inner, nil
}

// readObject reads an object identifier's content.
func readObject(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadASN1Bytes(out, asn1.OBJECT_IDENTIFIER)
}
