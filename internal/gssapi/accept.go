package gssapi

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxToken is the largest token that is read: a ticket with the groups of somebody who is in very many.
const MaxToken = 128 << 10

// The identifiers of a Kerberos token (RFC 4121 section 4.1).
const (
	tokenAPReq = 0x0100
	tokenAPRep = 0x0200
)

// checksumGSS is the type of an authenticator's checksum that is none (RFC 4121 section 4.1.1).
const (
	checksumGSS  = 0x8003
	bindingsSize = 16
)

var mechanismTag = casn1.Tag(0).Constructed() | 0x40 // [APPLICATION 0], RFC 2743 section 3.1

// Accept reads an initiator's token and makes the context, with the token that answers it; none where the initiator does not
// ask for a proof of the acceptor. Its errors wrap ErrToken or ErrRefused.
func (a *Acceptor) Accept(token []byte) (*Context, []byte, error) {
	message, err := unframe(token)
	if err != nil {
		return nil, nil, err
	}
	request := messages.APReq{}
	if err := request.Unmarshal(message); err != nil || request.PVNO != iana.PVNO || len(request.Ticket.SName.NameString) == 0 {
		return nil, nil, ErrToken
	}
	if types.IsFlagSet(&request.APOptions, flags.APOptionUseSessionKey) || request.Ticket.SName.NameString[0] == "krbtgt" {
		return nil, nil, refuse("a ticket of another kind than for services")
	}
	owner, ticket, err := a.open(request.Ticket)
	if err != nil {
		return nil, nil, err
	}
	now := a.Now()
	if err := valid(ticket, now); err != nil {
		return nil, nil, err
	}
	proof, err := prove(request, ticket, now)
	if err != nil {
		return nil, nil, err
	}
	asked, err := flagsOf(proof)
	if err != nil {
		return nil, nil, err
	}
	// Last, so that only what is good is remembered.
	if !a.replays.first(request.EncryptedAuthenticator.Cipher, now) {
		return nil, nil, refuse("the authenticator came before")
	}
	c := &Context{
		Initiator: Initiator{Owner: owner, Realm: ticket.CRealm, Name: ticket.CName.NameString, Enterprise: ticket.CName.NameType == nametype.KRB_NT_ENTERPRISE},
		Flags:     asked, key: ticket.Key, receive: uint64(uint32(proof.SeqNumber)), //nolint:gosec // 32 bits, which some write with a sign
	}
	if len(proof.SubKey.KeyValue) > 0 {
		c.key = proof.SubKey
	}
	if _, err := cipherOf(c.key); err != nil {
		return nil, nil, refuse("a key of a type that is not AES")
	}
	if asked&Mutual == 0 {
		c.send = c.receive // RFC 4121 section 4.1.2: without an answer both begin with the initiator's
		return c, nil, nil
	}
	reply, err := c.answer(ticket.Key, proof)
	return c, reply, err
}

// open is the inside of a ticket, by whichever of the keys it was sealed with.
func (a *Acceptor) open(ticket messages.Ticket) (owner string, part messages.EncTicketPart, err error) {
	keys := a.Keys(ticket.Realm, ticket.SName.NameString)
	defer func() {
		for _, key := range keys {
			clear(key.Value)
		}
	}()
	for _, key := range keys {
		if key.Type != ticket.EncPart.EType {
			continue
		}
		plain, err := decrypt(ticket.EncPart.Cipher, types.EncryptionKey{KeyType: key.Type, KeyValue: key.Value}, keyusage.KDC_REP_TICKET)
		if err != nil {
			continue
		}
		if err := part.Unmarshal(plain); err != nil {
			return "", part, ErrToken
		}
		return key.Owner, part, nil
	}
	return "", part, refuse("no key opens a ticket for %q of the realm %q", strings.Join(ticket.SName.NameString, "/"), ticket.Realm)
}

// valid holds a ticket against the clock (RFC 4120 section 3.2.3).
func valid(ticket messages.EncTicketPart, now time.Time) error {
	begins := ticket.StartTime
	if begins.IsZero() {
		begins = ticket.AuthTime
	}
	switch {
	case begins.Sub(now) > Skew || types.IsFlagSet(&ticket.Flags, flags.Invalid):
		return refuse("the ticket is not yet valid")
	case now.Sub(ticket.EndTime) > Skew:
		return refuse("the ticket has expired")
	}
	return nil
}

// prove opens the authenticator, and holds it against the ticket and the clock.
func prove(request messages.APReq, ticket messages.EncTicketPart, now time.Time) (proof types.Authenticator, err error) {
	if request.EncryptedAuthenticator.EType != ticket.Key.KeyType {
		return proof, refuse("the authenticator is under another key than the ticket's")
	}
	plain, err := decrypt(request.EncryptedAuthenticator.Cipher, ticket.Key, keyusage.AP_REQ_AUTHENTICATOR)
	if err != nil {
		return proof, refuse("the authenticator is not under the ticket's key")
	}
	if err := proof.Unmarshal(plain); err != nil {
		return proof, ErrToken
	}
	at := proof.CTime.Add(time.Duration(proof.Cusec) * time.Microsecond)
	switch {
	case proof.CRealm != ticket.CRealm || !slices.Equal(proof.CName.NameString, ticket.CName.NameString):
		return proof, refuse("the authenticator is somebody else's")
	case at.Sub(now) > Skew || now.Sub(at) > Skew:
		return proof, refuse("the clocks are too far apart")
	}
	return proof, nil
}

// flagsOf is what the authenticator asks for. The channel bindings in it are not looked at.
func flagsOf(proof types.Authenticator) (Flags, error) {
	sum := proof.Cksum.Checksum
	if proof.Cksum.CksumType != checksumGSS || len(sum) < 4+bindingsSize+4 || binary.LittleEndian.Uint32(sum) != bindingsSize {
		return 0, refuse("the authenticator is not of the GSS-API")
	}
	asked := Flags(binary.LittleEndian.Uint32(sum[4+bindingsSize:]))
	if asked&dceStyle != 0 {
		return 0, refuse("DCE style is not spoken")
	}
	return asked, nil
}

// answer is the acceptor's proof, with a key of its own for the context (RFC 4120 section 3.2.4).
func (c *Context) answer(session types.EncryptionKey, proof types.Authenticator) ([]byte, error) {
	c.key, c.own = newKey(c.key), true
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	// A number that is not 0, which would be left out, and that both signs have.
	c.send = uint64(binary.BigEndian.Uint32(random[:])>>2 | 1)
	part, err := asn1.Marshal(messages.EncAPRepPart{CTime: proof.CTime, Cusec: proof.Cusec, Subkey: c.key, SequenceNumber: int64(c.send)}) //nolint:gosec // 30 bits
	if err != nil {
		return nil, err
	}
	sealed, err := encrypt(asn1tools.AddASNAppTag(part, asnAppTag.EncAPRepPart), session, keyusage.AP_REP_ENCPART)
	if err != nil {
		return nil, err
	}
	reply, err := asn1.Marshal(messages.APRep{PVNO: iana.PVNO, MsgType: msgtype.KRB_AP_REP, EncPart: types.EncryptedData{EType: session.KeyType, Cipher: sealed}})
	if err != nil {
		return nil, err
	}
	return frame(tokenAPRep, asn1tools.AddASNAppTag(reply, asnAppTag.APREP))
}

// unframe takes the AP-REQ out of a token (RFC 2743 section 3.1).
func unframe(token []byte) ([]byte, error) {
	var inner cryptobyte.String
	var id uint16
	outer := cryptobyte.String(token)
	var mechanism []byte
	if len(token) > MaxToken || !outer.ReadASN1(&inner, mechanismTag) || !outer.Empty() ||
		!readObject(&inner, &mechanism) || !bytes.Equal(mechanism, kerberos) || !inner.ReadUint16(&id) || id != tokenAPReq {
		return nil, ErrToken
	}
	return inner, nil
}

func frame(id uint16, message []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(mechanismTag, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(kerberos) })
		b.AddUint16(id)
		b.AddBytes(message)
	})
	return b.Bytes()
}
